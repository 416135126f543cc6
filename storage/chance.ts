/** Random numbers by a xorshift (Marsaglia, "Xorshift RNGs", 2003): for what clients ask to be by chance, and nothing that has to be secret. */
export class Chance {
  private state: number;

  constructor(seed: number) {
    this.state = mixed(seed) || 1;
  }

  /** A whole number in 0..below-1; below is 1..2^32. */
  below(below: number): number {
    let { state } = this;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.state = state;
    return Math.floor(((state >>> 0) / 0x1_0000_0000) * below);
  }
}

/** MurmurHash3's finalizer: what begins with a number that another drew does not go on as that one does. */
function mixed(seed: number): number {
  let state = seed | 0;
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return state ^ (state >>> 16);
}
