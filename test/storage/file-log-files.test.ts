import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as path from 'node:path';
import test from 'ava';
import { StorageError } from '../../storage/engine.js';
import { DiskLogFiles } from '../../storage/file-log-files.js';
import { openLog } from './log-fixtures.js';
import { temporaryDirectory } from './temporary-directory.js';

test('a file appends, reads, truncates and is found again', async (t) => {
  const files = new DiskLogFiles(temporaryDirectory(t));
  const created = files.create('b');
  t.is(created.append(Buffer.from('hello world')), 11);
  await created.sync();
  created.truncate(5);
  t.is(created.append(Buffer.from('!')), 1);
  t.is(created.size, 6);
  await created.close();
  const opened = await files.open('b');
  t.is(opened.size, 6);
  t.deepEqual(await opened.read(3, 100), Buffer.from('lo!'));
  t.deepEqual(await opened.read(6, 1), Buffer.alloc(0));
  await opened.close();
  await (await files.open('a')).close();
  t.deepEqual(await files.list(), ['a', 'b']);
  t.throws(() => files.create('a'), { instanceOf: StorageError });
  await files.remove('a');
  t.deepEqual(await files.list(), ['b']);
  await t.throwsAsync(files.remove('a'), { instanceOf: StorageError });
});

test('a full disk is a short append, any other trouble an error', async (t) => {
  const directory = temporaryDirectory(t);
  fs.symlinkSync('/dev/full', path.join(directory, 'full'));
  const file = await new DiskLogFiles(directory).open('full');
  t.is(file.append(Buffer.from('x')), 0);
  await file.close();
  const closed = t.throws(() => file.append(Buffer.from('x')), { instanceOf: StorageError });
  t.is(closed?.code, 'IO');
  await t.throwsAsync(file.sync(), { instanceOf: StorageError });
});

test('a process killed while it writes loses nothing it had flushed, over three kills and many segments', async (t) => {
  const directory = temporaryDirectory(t);
  const fixtures = JSON.stringify(new URL('./log-fixtures.js', import.meta.url).href);
  const diskFiles = JSON.stringify(new URL('../../storage/file-log-files.js', import.meta.url).href);
  const code = `
    import * as fs from 'node:fs';
    import { openLog } from ${fixtures};
    import { DiskLogFiles } from ${diskFiles};
    const { log, entries } = await openLog(new DiskLogFiles(process.argv[1]), { segmentBytesMax: 64 << 10, durability: 'always' });
    let count = entries.length;
    const turn = () => {
      for (let index = 0; index < 16; index++) log.append(1, Buffer.from(String(count++).padEnd(170, '.')));
      log.flush();
      fs.writeSync(1, count + '\\n');
      setImmediate(turn);
    };
    turn();`;
  let flushed = 0;
  for (let kill = 0; kill < 3; kill++) {
    const writer = spawn(process.execPath, ['--input-type=module', '-e', code, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => writer.kill('SIGKILL'));
    let output = '';
    const target = flushed + 5000;
    await new Promise<void>((resolve, reject) => {
      writer.once('exit', (status) => reject(new Error(`the writer ended with ${status}`)));
      writer.stdout.setEncoding('latin1').on('data', (text: string) => {
        output = (output + text).slice(-1000);
        if (Number(output.trimEnd().split('\n').at(-1)) > target) resolve();
      });
    });
    const closed = once(writer, 'close');
    writer.kill('SIGKILL');
    await closed;
    flushed = Number(output.slice(0, output.lastIndexOf('\n')).split('\n').at(-1));
    const { log, entries } = await openLog(new DiskLogFiles(directory));
    t.true(entries.length >= flushed, `${entries.length} of ${flushed}`);
    t.true(entries.every(({ payload }, index) => Number.parseInt(payload, 10) === index));
    flushed = entries.length;
    await log.close();
  }
  t.true(fs.readdirSync(directory).length > 2);
});
