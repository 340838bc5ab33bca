/** Gives names to what the kernel complains about by offset. Neither method throws, whatever the bytes and offsets are. */
export interface AttributeNames {
  /**
   * The path of the attribute or header field that contains a byte of a message, such as "linkInfo.data.id"; undefined where that has
   * no name.
   *
   * @param messageOffset where the message starts in `bytes`, its header included
   * @param offset the byte, counted from there
   */
  pathOf(bytes: Uint8Array, messageOffset: number, offset: number): string | undefined;

  /**
   * The path that a missing attribute would have.
   *
   * @param nestOffset the attribute that it is missing in, counted as `offset` of `pathOf`; undefined for the message itself
   * @param type the number of the missing attribute
   */
  nameOf(
    bytes: Uint8Array,
    messageOffset: number,
    nestOffset: number | undefined,
    type: number,
  ): string | undefined;
}
