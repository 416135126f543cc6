/**
 * The bytes of a request that has begun and not ended.
 *
 * A large chunk is kept as it is; small pieces are gathered in blocks of their own, so that a client that sends byte by byte cannot make the
 * keeping cost many times the bytes kept. Nothing is allocated for bytes that have only been announced, and all are joined once.
 *
 *     pieces: [64 KiB chunk] [64 KiB chunk]      block: [small small small ....free....]
 *
 * Invariant: the pieces, then the block's used part, are the request so far, in order; `byteLength` is their sum.
 */

/** Pieces from this size on are kept without copying. */
const ownPieceBytes = 4096;
const firstBlockBytes = 512;

export class UnfinishedRequest {
  byteLength = 0;
  private pieces: Buffer[] = [];
  private block: Buffer | null = null;
  private blockUsed = 0;

  /** Keeps `piece`, which from `ownPieceBytes` on is borrowed until `join` or `clear`. */
  keep(piece: Buffer): void {
    this.byteLength += piece.length;
    if (piece.length >= ownPieceBytes) {
      this.sealBlock();
      this.pieces.push(piece);
      return;
    }
    if (this.block !== null && this.block.length - this.blockUsed < piece.length) this.sealBlock();
    // Blocks grow with what is kept: a thousand half-sent requests cost half a kilobyte each.
    this.block ??= Buffer.allocUnsafe(Math.max(piece.length, Math.min(ownPieceBytes, Math.max(firstBlockBytes, this.byteLength))));
    piece.copy(this.block, this.blockUsed);
    this.blockUsed += piece.length;
  }

  /** All that was kept and `rest` behind it, as one owned Buffer; nothing is kept any more. */
  join(rest: Buffer): Buffer {
    const length = this.byteLength + rest.length;
    const pieces = this.takePieces();
    pieces.push(rest);
    return Buffer.concat(pieces, length);
  }

  /** All that was kept, in the pieces in which it is; nothing is kept any more. */
  takePieces(): Buffer[] {
    this.sealBlock();
    const { pieces } = this;
    this.clear();
    return pieces;
  }

  clear(): void {
    this.byteLength = 0;
    this.pieces = [];
    this.block = null;
    this.blockUsed = 0;
  }

  private sealBlock(): void {
    if (this.block === null) return;
    this.pieces.push(this.block.subarray(0, this.blockUsed));
    this.block = null;
    this.blockUsed = 0;
  }
}
