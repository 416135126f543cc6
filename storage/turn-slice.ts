/**
 * How much of a long work is done in one turn of the event loop: as much as takes one millisecond, however slow the machine is and however cold the code, and
 * no more than a number of steps, since simulated turns take no time.
 */
import type { Clock } from './clock.js';

const sliceMs = 1;

export class TurnSlice {
  private steps = 0;
  private beganMs: number;

  constructor(
    private readonly clock: Clock,
    private readonly stepsMost = 500,
    /** The clock is looked at after each so many. */
    private readonly stepsPerLook = 16,
  ) {
    this.beganMs = clock.monotonicMs();
  }

  /** To be asked after each step: true once the event loop should get its turn. The next slice begins with `begin` or after `nextTurn` or `laterTurn`. */
  isOver(): boolean {
    this.steps++;
    return this.steps >= this.stepsMost || (this.steps % this.stepsPerLook === 0 && this.clock.monotonicMs() - this.beganMs >= sliceMs);
  }

  begin(): void {
    this.steps = 0;
    this.beganMs = this.clock.monotonicMs();
  }

  /** For what somebody may wait for. */
  async nextTurn(): Promise<void> {
    await new Promise<void>((resolve) => this.clock.nextTurn(resolve));
    this.begin();
  }

  /** For what nobody waits for: some time goes by. */
  async laterTurn(): Promise<void> {
    await new Promise<void>((resolve) => this.clock.after(0, resolve));
    this.begin();
  }
}
