/** A worker of the hashing pool whose thread ends in the middle of a task. */
export default function end(): void {
  process.exit(3);
}
