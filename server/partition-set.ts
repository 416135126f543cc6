/** Partitions by number, a bit each. */
export class PartitionSet {
  private words: Uint32Array | undefined;

  /** `partitions` is how many there are, as far as it is known. */
  constructor(private readonly partitions: () => number) {}

  add(partition: number): void {
    const { words } = this;
    if (words === undefined || partition >> 5 >= words.length) this.grow(partition);
    else words[partition >> 5] = (words[partition >> 5] ?? 0) | (1 << (partition & 31));
  }

  clear(): void {
    this.words = undefined;
  }

  /** The numbers, rising. */
  numbers(): number[] {
    const numbers: number[] = [];
    this.words?.forEach((word, at) => {
      for (let bits = word; bits !== 0; bits &= bits - 1) numbers.push(32 * at + 31 - Math.clz32(bits & -bits));
    });
    return numbers;
  }

  private grow(partition: number): void {
    const grown = new Uint32Array(Math.ceil(Math.max(this.partitions(), partition + 1) / 32));
    grown.set(this.words ?? []);
    this.words = grown;
    this.add(partition);
  }
}
