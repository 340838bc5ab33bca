import type { Decoder } from "../message/outgoing.js";

/** What makes bodies of events: one decoder for all, or decoders by message type. */
export type EventDecoder = Decoder<unknown> | Readonly<Record<number, Decoder<unknown>>>;

/** What an EventDecoder makes. */
export type EventBody<D extends EventDecoder> =
  D extends Decoder<infer T>
    ? T
    : D extends Readonly<Record<number, infer One>>
      ? One extends Decoder<infer T>
        ? T
        : never
      : never;

/** Finds the decoder of a message type; undefined where messages of that type are passed over. */
export function decodersByType<D extends EventDecoder>(
  item: D,
): (type: number) => Decoder<EventBody<D>> | undefined {
  // The compiler cannot look through the conditional type; by its definition above each decoder in `item` makes an EventBody<D>.
  if (isDecoder(item)) return () => item as Decoder<EventBody<D>>;
  const byType = item as Readonly<Record<number, Decoder<EventBody<D>>>>;
  return (type) => byType[type];
}

function isDecoder(item: EventDecoder): item is Decoder<unknown> {
  return "decode" in item && typeof item.decode === "function";
}
