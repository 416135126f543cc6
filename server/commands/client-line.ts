/** How a client is described: CLIENT LIST, CLIENT INFO, ACL LOG. */
import type { ClientView } from '../local-context.js';

const msPerSecond = 1000;

/** Redis' letters; `N` where none of them is true. */
function flagsOf(client: ClientView): string {
  const flags = [
    client.monitoring ? 'O' : '',
    client.unblock === undefined ? '' : 'b',
    client.isClosing ? 'c' : '',
    client.readonly ? 'r' : '',
    client.noEvict ? 'e' : '',
    client.noTouch ? 'T' : '',
  ].join('');
  return flags || 'N';
}

/** One line of CLIENT LIST, without its end, in Redis 7.2's order; what Torc has not is printed as Redis prints nothing of it. */
export function clientLine(client: ClientView, nowMs: number): string {
  const seconds = (sinceMs: number): number => Math.max(0, Math.floor((nowMs - sinceMs) / msPerSecond));
  return (
    `id=${client.id} addr=${client.address} laddr=${client.localAddress} fd=-1 name=${client.name} age=${seconds(client.createdAtMs)} idle=${seconds(client.lastCommandAtMs)}` +
    ` flags=${flagsOf(client)} db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=${client.queryBufferBytes} qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0` +
    ` omem=${client.outputBufferBytes} tot-mem=${client.queryBufferBytes + client.outputBufferBytes} events=r cmd=${client.lastCommand || 'NULL'} user=${client.user.name} redir=-1` +
    ` resp=${client.resp} lib-name=${client.libraryName} lib-ver=${client.libraryVersion}`
  );
}
