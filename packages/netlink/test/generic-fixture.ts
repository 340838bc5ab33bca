import { afterEach } from "vitest";
import { type FamilyClient, type FamilySchema, GenericNetlink } from "../src/generic/index.js";
import { MessageWriter, type SocketOptions, SystemError } from "../src/index.js";
import { FakeGenericKernel, MemoryTransport, type ServedFamily } from "../src/testing/index.js";
import { type DeviceHandlers, devices } from "./device-family.js";

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

/** Closes it when the test has ended. */
export function closing<T extends { close(): Promise<void> }>(one: T): T {
  open.push(one);
  return one;
}

export async function openGeneric(
  kernel: FakeGenericKernel,
  options: SocketOptions = {},
): Promise<GenericNetlink> {
  return closing(await GenericNetlink.open({ transport: kernel, ...options }));
}

type DeviceClient =
  typeof devices extends FamilySchema<infer Header, infer Commands, infer Events, infer Group>
    ? FamilyClient<Header, Commands, Events, Group>
    : never;

type ServedDevices =
  typeof devices extends FamilySchema<infer Header, infer Commands, infer Events, infer Group>
    ? ServedFamily<Header, Commands, Events, Group>
    : never;

export interface Served {
  readonly kernel: FakeGenericKernel;
  readonly served: ServedDevices;
  readonly generic: GenericNetlink;
  readonly client: DeviceClient;
}

/** A kernel with the family `devices`, and a client of it. */
export async function serve(handlers: DeviceHandlers = {}): Promise<Served> {
  const kernel = new FakeGenericKernel();
  const served = kernel.serveFamily(devices, handlers);
  const generic = await openGeneric(kernel);
  return { kernel, served, generic, client: await generic.client(devices) };
}

/** Counts the sockets that are open in a kernel. */
export function countSockets(kernel: FakeGenericKernel): () => number {
  let sockets = 0;
  const openTransport = kernel.open.bind(kernel);
  kernel.open = (request) => {
    const transport = openTransport(request);
    const close = transport.close.bind(transport);
    let closed = false;
    transport.close = () => {
      if (!closed) sockets--;
      closed = true;
      close();
    };
    sockets++;
    return transport;
  };
  return () => sockets;
}

/** The sockets that a kernel gets, in the order in which they are opened. */
export function transportsOf(kernel: FakeGenericKernel): MemoryTransport[] {
  const transports: MemoryTransport[] = [];
  const openTransport = kernel.open.bind(kernel);
  kernel.open = (request) => {
    const transport = openTransport(request);
    if (transport instanceof MemoryTransport) transports.push(transport);
    return transport;
  };
  return transports;
}

/** A message as the kernel sends it, whatever is in it. */
export function rawMessage(type: number, payload: readonly number[]): Uint8Array {
  const writer = MessageWriter.growing().begin(type, 0, 0, 0).bytes(Uint8Array.from(payload));
  writer.end();
  return writer.finished();
}

/** Has the kernel let no socket into a group from now on. */
export function refuseMemberships(kernel: FakeGenericKernel): void {
  const openTransport = kernel.open.bind(kernel);
  kernel.open = (request) => {
    const transport = openTransport(request);
    transport.addMembership = () => {
      throw new SystemError("setsockopt", -1);
    };
    return transport;
  };
}
