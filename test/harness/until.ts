/** Waiting for what happens in another process, where there is no event to wait for. */

/** Between two looks: seldom enough not to be a load of its own. */
const lookMs = 20;

/** Between two looks of a loop that keeps its own time. */
export const betweenLooks = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, lookMs));

/** Looks every 20 ms until it is so. Throws when it is not within `withinMs`, with what was waited for. */
export async function until(look: () => Promise<boolean> | boolean, what: string | (() => string), withinMs = 20_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await look())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${typeof what === 'string' ? what : what()}`);
    await betweenLooks();
  }
}
