import {
  NF_INET_FORWARD,
  NF_INET_LOCAL_IN,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
  NFPROTO_BRIDGE,
  NFPROTO_INET,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
} from "./abi.js";
import { compileMatch, compileQueue } from "./compile-match.js";
import { type CheckedMatch, usesConntrack } from "./condition.js";
import type { Dialect } from "./dialect.js";
import type { Expression } from "./expressions.js";
import type { MatchHook } from "./match.js";

/** Name of the chain that keeps connections tracked. */
export const CONNTRACK_CHAIN = "conntrack";

/** NF_INET_* of each hook, which are those of a bridge (NF_BR_*), too. */
export const HOOK_NUMBERS: Readonly<Record<MatchHook, number>> = {
  prerouting: NF_INET_PRE_ROUTING,
  input: NF_INET_LOCAL_IN,
  forward: NF_INET_FORWARD,
  output: NF_INET_LOCAL_OUT,
  postrouting: NF_INET_POST_ROUTING,
};

/** A base chain of ours. */
export interface ChainPlace {
  /** NFPROTO_* of its table. */
  readonly family: number;
  /** NF_INET_*. */
  readonly hook: number;
  readonly priority: number;
  readonly name: string;
}

/** What a transaction is to make. */
export interface RulesDraft {
  /** Families of all tables that it touches. */
  readonly families: readonly number[];
  readonly newTables: readonly number[];
  /** Families that begin to have connections tracked. */
  readonly newConntrack: readonly number[];
  readonly newPlaces: readonly ChainPlace[];
  readonly places: readonly ChainPlace[];
  /** `match` is the index of the rule's match, `position` its place in the chain. */
  readonly rules: readonly {
    readonly place: ChainPlace;
    readonly position: number;
    readonly match: number;
    readonly expressions: readonly Expression[];
  }[];
  /** True where it tells nothing of how the kernel queues in other families. */
  readonly bridgeOnly: boolean;
}

/**
 * The base chains of a table: who makes rules gets chains of its own, one for each hook and priority, so that a packet that several of its
 * matches fit is queued once; and several queues see a packet one after another. Chains whose rules went are used again, as they cannot go.
 */
export class ChainPool {
  readonly #free: ChainPlace[] = [];
  readonly #families = new Set<number>();
  readonly #conntrack = new Set<number>();
  #made = 0;

  /** NFPROTO_* of the tables that were made. */
  get families(): readonly number[] {
    return [...this.#families];
  }

  /** Plans the rules of some matches; nothing is kept before `commit`. */
  draft(matches: readonly CheckedMatch[], dialect: Dialect): RulesDraft {
    const places: ChainPlace[] = [];
    const newPlaces: ChainPlace[] = [];
    const rules: RulesDraft["rules"][number][] = [];
    const conntrack = new Set<number>();
    for (const [index, match] of matches.entries()) {
      const hook = HOOK_NUMBERS[match.hook];
      for (const family of tableFamilies(match, dialect)) {
        const fits = (place: ChainPlace): boolean =>
          place.family === family && place.hook === hook && place.priority === match.priority;
        let place = places.find(fits);
        if (place === undefined) {
          place = this.#free.find(fits);
          if (place === undefined) {
            const name = `${match.hook}-${this.#made + newPlaces.length + 1}`;
            place = { family, hook, priority: match.priority, name };
            newPlaces.push(place);
          }
          places.push(place);
        }
        if (usesConntrack(match)) conntrack.add(family);
        const chain = place;
        rules.push({
          place,
          position: rules.filter((rule) => rule.place === chain).length,
          match: index,
          expressions: [
            ...compileMatch(match, family),
            ...(dialect.counter ? [{ name: "counter", packets: 0, bytes: 0 } as const] : []),
            compileQueue(match, family === NFPROTO_BRIDGE ? "queue expression" : dialect.statement),
          ],
        });
      }
    }
    const families = [...new Set(places.map(({ family }) => family))];
    return {
      families,
      newTables: families.filter((family) => !this.#families.has(family)),
      newConntrack: [...conntrack].filter((family) => !this.#conntrack.has(family)),
      newPlaces,
      places,
      rules,
      bridgeOnly: families.every((family) => family === NFPROTO_BRIDGE),
    };
  }

  /** Notes the families whose tables have connections tracked from now on. */
  commitConntrack(families: readonly number[]): void {
    for (const family of families) {
      this.#families.add(family);
      this.#conntrack.add(family);
    }
  }

  /** Keeps what a transaction made. */
  commit({ newTables, newPlaces, places }: RulesDraft): void {
    for (const family of newTables) this.#families.add(family);
    this.#made += newPlaces.length;
    for (const place of places) {
      const index = this.#free.indexOf(place);
      if (index >= 0) this.#free.splice(index, 1);
    }
  }

  /** Takes chains back whose rules were deleted. */
  free(places: readonly ChainPlace[]): void {
    this.#free.push(...places);
  }
}

/** The tables that a match has rules in. */
function tableFamilies({ family }: CheckedMatch, { families }: Dialect): readonly number[] {
  if (family === "bridge") return [NFPROTO_BRIDGE];
  if (families.includes(NFPROTO_INET)) return [NFPROTO_INET];
  if (family === "ip") return [NFPROTO_IPV4];
  return family === "ip6" ? [NFPROTO_IPV6] : families;
}
