/**
 * Bytes that are not what they claim to be. They come from a disk or a peer, so this is an outside failure and no bug of
 * ours: whoever reads them refuses the entry, the frame or the record as a whole, and says where it came from.
 */
export type FormatErrorCode =
  /** The bytes end before what they announce. */
  | 'TRUNCATED'
  /** A version, shape, kind, type or flag that this release does not know; a newer one may. */
  | 'UNKNOWN'
  /** Complete and known, but no writer of ours could have written it. */
  | 'INVALID';

export class FormatError extends Error {
  constructor(
    /** Stable. */
    readonly code: FormatErrorCode,
    message: string,
  ) {
    super(message);
    this.name = 'FormatError';
  }
}
