/** What is asked for: what is decoded, of which any part may be left out, and which is only read. */
export type Requested<Value> = Value extends Uint8Array | string | number | bigint | boolean
  ? Value
  : Value extends readonly (infer Element)[]
    ? readonly Requested<Element>[]
    : { readonly [Name in keyof Value]?: Requested<Value[Name]> | undefined };
