/**
 * Doubles in replies: C's `%.17g`, as Redis 7.0 writes them in RESP2 and RESP3 alike (networking.c, addReplyDouble), so that every double
 * comes back as the same double. 3 -> "3", 3.1 -> "3.1000000000000001", 1e21 -> "1e+21", infinities "inf" and "-inf".
 */
export function doubleText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return Object.is(value, -0) ? '-0' : String(value);
  if (Number.isNaN(value)) return 'nan';
  const sign = value < 0 ? '-' : '';
  const magnitude = Math.abs(value);
  if (magnitude === Infinity) return `${sign}inf`;

  const [mantissa = '', exponentText = ''] = roundedHalfToEven(magnitude).split('e');
  const exponent = Number(exponentText);
  const digits = mantissa.replace('.', '').replace(/0+$/, '');
  if (exponent < -4 || exponent >= 17) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
    return `${sign}${digits.slice(0, 1)}${fraction}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  if (exponent < 0) return `${sign}0.${digits.padStart(digits.length - exponent - 1, '0')}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  return digits.length > exponent + 1 ? `${sign}${whole}.${digits.slice(exponent + 1)}` : sign + whole;
}

/** Enough digits after the 17th to tell a tie, whose expansion ends at the 18th, from all that is near one. */
const tieDigits = 60;

/** 17 significant digits, d.ddd...e+x. JavaScript rounds an exact half away from zero, C to the even digit: 8.00000762939453125 shows it. */
function roundedHalfToEven(magnitude: number): string {
  const tie = /^(\d\.\d{15}[02468])50*(e.*)$/.exec(magnitude.toExponential(tieDigits));
  return tie === null ? magnitude.toExponential(16) : `${tie[1]}${tie[2]}`;
}
