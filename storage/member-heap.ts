/** Members of a sorted set that come in any order and go in theirs: by score, equal ones by their bytes. A binary heap, so that each costs O(log n). */
export interface HeapMember {
  readonly entry: number;
  readonly score: number;
  readonly member: Buffer;
}

const isBefore = (x: HeapMember, y: HeapMember): boolean =>
  x.score === y.score ? Buffer.compare(x.member, y.member) < 0 : x.score < y.score;

export class MemberHeap {
  private readonly members: HeapMember[] = [];

  get size(): number {
    return this.members.length;
  }

  get first(): HeapMember | undefined {
    return this.members[0];
  }

  add(member: HeapMember): void {
    const { members } = this;
    let place = members.push(member) - 1;
    while (place > 0) {
      const parent = (place - 1) >>> 1;
      if (!isBefore(member, members[parent] as HeapMember)) break;
      members[place] = members[parent] as HeapMember;
      place = parent;
    }
    members[place] = member;
  }

  takeFirst(): HeapMember | undefined {
    const { members } = this;
    const [first] = members;
    const last = members.pop();
    if (last === undefined || members.length === 0) return first;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= members.length) break;
      if (child + 1 < members.length && isBefore(members[child + 1] as HeapMember, members[child] as HeapMember)) child++;
      if (!isBefore(members[child] as HeapMember, last)) break;
      members[place] = members[child] as HeapMember;
      place = child;
    }
    members[place] = last;
    return first;
  }
}
