/**
 * How a process of ours learns that it is to stop: SIGINT, SIGTERM, SIGHUP, or the end of the process that supervises it, which shows as the end
 * of the channel between them. A supervisor that is killed therefore leaves no nodes behind.
 */
export type StopRequests = (listener: () => void) => void;

/** Calls `listener` at each request: the second one usually means "at once". */
export const onStopRequest: StopRequests = (listener) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, listener);
  if (process.connected) {
    process.once('disconnect', listener);
    // Waiting for a request is no reason to keep running.
    process.channel?.unref();
  }
};
