/** HyperLogLogs as sets: of elements that stand in registers of their own, the registers tell which were added. */
import { registerOf } from '../../server/commands/murmur-hash.js';
import { raiseRegisters, registerCount } from '../../storage/hyperloglog.js';

const indexOf = (element: string): number => registerOf(Buffer.from(element)) % registerCount;

/** Whether the element's register is none of these elements'. */
export const standsAlone = (element: string, among: readonly string[]): boolean =>
  !among.some((other) => indexOf(other) === indexOf(element));

/** Those of `elements`, each of which stands alone, that the HyperLogLog has. Throws Error when `bytes` is none. */
export function elementsIn(bytes: Buffer | null, elements: readonly string[]): string[] {
  if (bytes === null) return [];
  const registers = new Uint8Array(registerCount);
  if (!raiseRegisters(registers, bytes)) throw new Error('a HyperLogLog has not 16384 registers');
  return elements.filter((element) => registers[indexOf(element)] === Math.floor(registerOf(Buffer.from(element)) / registerCount));
}
