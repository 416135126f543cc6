/** Names of clients. */

/** CLIENT LIST separates its fields by spaces and its clients by line breaks, so names hold neither. */
export const isNameByte = (byte: number): boolean => byte >= 0x21 && byte <= 0x7e;
