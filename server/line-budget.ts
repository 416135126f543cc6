/**
 * How many lines of a kind are logged. Whoever knocks at a port decides how often they are refused, and the log is on a disk: after the first few there is one a second, which says how many
 * were left out.
 */
const apartMs = 1000;

export class LineBudget {
  private left: number;
  private lastMs: number;
  private unsaid = 0;

  /** `burst`: lines at once, and after a while of silence again. */
  constructor(
    private readonly burst: number,
    private readonly monotonicMs: () => number,
  ) {
    this.left = burst;
    this.lastMs = monotonicMs();
  }

  /** Lines left out since the last that was said; undefined = this one is left out too. */
  take(): number | undefined {
    const gained = Math.floor((this.monotonicMs() - this.lastMs) / apartMs);
    this.left = Math.min(this.burst, this.left + gained);
    this.lastMs = this.left === this.burst ? this.monotonicMs() : this.lastMs + gained * apartMs;
    if (this.left === 0) {
      this.unsaid++;
      return undefined;
    }
    this.left--;
    const { unsaid } = this;
    this.unsaid = 0;
    return unsaid;
  }
}
