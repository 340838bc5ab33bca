import { NETLINK_GENERIC } from "../abi.js";
import { EINVAL, ENOENT } from "../errno.js";
import { GENL_HDRLEN, GENL_ID_CTRL } from "../generic/abi.js";
import { type ControllerCommands, type ControllerEvents, nlctrl } from "../generic/controller.js";
import type { CommandDefinitions, EventDefinitions, NoAttributes } from "../generic/family-definition.js";
import type { FamilySchema } from "../generic/family-schema.js";
import type { StructFields } from "../schema/struct.js";
import type { Transport, TransportProvider, TransportRequest } from "../transport/transport.js";
import { FakeKernel, type FakeKernelOptions } from "./fake-kernel.js";
import type { KernelRequest } from "./fake-request.js";
import { type FamilyHandlers, Refusal, ServedFamily, type ServedFamilyOptions } from "./served-family.js";
import { policyMessages } from "./served-policy.js";

const ENODATA = -61;

/** A request that came, as a test may want to look at it. */
export interface GenericRequest {
  /** The name of the family; undefined where none has the number. */
  readonly family: string | undefined;
  /** Undefined where the message was too short for it. */
  readonly command: number | undefined;
  readonly version: number | undefined;
}

/**
 * A kernel with generic netlink, for tests without privilege and on any system: `GenericNetlink.open({ transport: kernel })`. It has the
 * controller, which resolves and lists the families, tells their policies, and says when they come and go, and the families that are served.
 *
 * ```js
 * const kernel = new FakeGenericKernel();
 * const ethtool = kernel.serveFamily(definition, { linkInfoGet: ({ header }) => ({ header, port: 0 }) });
 * ```
 */
export class FakeGenericKernel implements TransportProvider {
  /** Every request that came so far, those to the controller too. */
  readonly requests: GenericRequest[] = [];
  readonly #kernel: FakeKernel;
  readonly #controller: ServedFamily<NoAttributes, ControllerCommands, ControllerEvents, "notify">;
  readonly #families = new Map<number, Served>();
  // As in the kernel, numbers are not used again: a family that was unloaded comes back as another.
  #lastFamily = GENL_ID_CTRL;
  #lastGroup = GENL_ID_CTRL;

  constructor(options: FakeKernelOptions = {}) {
    this.#kernel = new FakeKernel((request) => this.#handle(request), options);
    this.#controller = new ServedFamily(
      this.#kernel,
      nlctrl,
      {
        getFamily: ({ name, id }, { dump }) => {
          if (dump) return [...this.#families.values()].map(({ description }) => description);
          return this.#find(name, id).description;
        },
        getPolicy: ({ name, id }) => {
          const family = this.#find(name, id);
          if (family.policy.size === 0) throw new Refusal(ENODATA);
          return policyMessages(family.policy).map((message) => ({ id: family.id, ...message }));
        },
      },
      {
        id: GENL_ID_CTRL,
        groups: new Map([["notify", GENL_ID_CTRL]]),
        policy: new Map(),
        onRemove: () => {
          throw new TypeError("the controller is part of the kernel: it cannot be removed");
        },
      },
    );
    this.#families.set(GENL_ID_CTRL, this.#controller);
  }

  open(request: TransportRequest): Transport {
    return this.#kernel.open(request);
  }

  /** Makes a family known, and has its commands answered. The controller says that it came. Throws TypeError where its name is taken. */
  serveFamily<
    Header extends StructFields,
    Commands extends CommandDefinitions,
    Events extends EventDefinitions,
    Group extends string,
  >(
    schema: FamilySchema<Header, Commands, Events, Group>,
    handlers: FamilyHandlers<NoInfer<Header>, NoInfer<Commands>>,
    { groups = [], policy = new Map() }: ServedFamilyOptions = {},
  ): ServedFamily<Header, Commands, Events, Group> {
    if ([...this.#families.values()].some((family) => family.schema.name === schema.name)) {
      throw new TypeError(`the family ${schema.name} is served already: remove() it before`);
    }
    const id = ++this.#lastFamily;
    const names = new Set([...(schema.definition.groups ?? []), ...groups]);
    const family: ServedFamily<Header, Commands, Events, Group> = new ServedFamily(
      this.#kernel,
      schema,
      handlers,
      {
        id,
        groups: new Map([...names].map((name) => [name, ++this.#lastGroup])),
        policy,
        onRemove: () => {
          if (!this.#families.delete(id)) return;
          this.#controller.multicast("notify", "deletedFamily", family.description);
        },
      },
    );
    this.#families.set(id, family);
    this.#controller.multicast("notify", "newFamily", family.description);
    return family;
  }

  #handle(request: KernelRequest): void {
    const family =
      request.protocol === NETLINK_GENERIC ? this.#families.get(request.message.type) : undefined;
    const { view, payloadOffset, end } = request.message;
    const [command, version] =
      end - payloadOffset < GENL_HDRLEN
        ? [undefined, undefined]
        : [view.getUint8(payloadOffset), view.getUint8(payloadOffset + 1)];
    this.requests.push({ family: family?.schema.name, command, version });
    if (family === undefined) request.fail(ENOENT);
    else if (command === undefined) request.fail(EINVAL);
    else family.handle(request);
  }

  #find(name: string | undefined, id: number | undefined): Served {
    if (name === undefined && id === undefined) throw new Refusal(EINVAL);
    for (const family of this.#families.values()) {
      if (name === undefined ? family.id === id : family.schema.name === name) return family;
    }
    throw new Refusal(ENOENT);
  }
}

/** What the controller needs of any family. */
type Served = Pick<ServedFamily, "id" | "description" | "policy" | "handle"> & {
  readonly schema: { readonly name: string };
};
