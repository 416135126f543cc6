/** Histories as pictures: `a(` invokes operation a, `a)` completes it, `a!` leaves it unknown, `a-` refuses it. */
interface Ends {
  complete(): void;
  fail(): void;
  leaveUnknown(): void;
}

/** Throws where a word has no mark. */
export function play(picture: string, begin: (name: string) => Ends): void {
  const begun = new Map<string, Ends>();
  for (const word of picture.split(' ')) {
    const name = word.slice(0, -1);
    const mark = word.at(-1);
    if (mark === '(') begun.set(name, begin(name));
    else if (mark === ')') begun.get(name)?.complete();
    else if (mark === '!') begun.get(name)?.leaveUnknown();
    else if (mark === '-') begun.get(name)?.fail();
    else throw new Error(`no mark in ${word}`);
  }
}
