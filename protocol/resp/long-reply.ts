/**
 * A reply that is too long to be made in one turn of the event loop: it is made a slice a turn, from what was there when its command ran. Whoever runs the command drives
 * it to its end, also when nobody waits for it any more; whoever answers waits until it is whole.
 */
/** `Whole`: what it comes to. */
export abstract class LongReply<Whole> {
  private whole: Whole | undefined = undefined;
  private waiting: ((whole: Whole) => void)[] = [];

  /** Makes the next slice; true once there is none left. */
  proceed(): boolean {
    const whole = this.whole ?? this.slice();
    if (whole === undefined) return false;
    this.end(whole);
    return true;
  }

  /** It comes to this, however far it was made. */
  end(whole: Whole): void {
    this.whole = whole;
    const { waiting } = this;
    this.waiting = [];
    for (const each of waiting) each(whole);
  }

  /** Calls back with all of it, now or later. */
  whenWhole(callback: (whole: Whole) => void): void {
    if (this.whole === undefined) this.waiting.push(callback);
    else callback(this.whole);
  }

  /** Gives up what it holds; not to be used any more. */
  abstract abandon(): void;

  /** Makes the next slice; all of it, once it is there. What it wrote and nobody took is dropped when it throws. */
  abstract slice(): Whole | undefined;
}
