/**
 * Types of redis-parser 3, which ships none: https://github.com/NodeRedis/node-redis-parser.
 * Only what the request decoder uses of it is declared.
 */
declare module 'redis-parser' {
  class RedisParser {
    constructor(options: {
      returnReply(reply: unknown): void;
      returnError(error: Error): void;
      returnFatalError(error: Error): void;
      returnBuffers: boolean;
    });
    /** Parses `buffer` and calls returnReply for each whole reply in it, before returning. */
    execute(buffer: Buffer): void;
  }
  export = RedisParser;
}
