/** A file that is replaced as a whole. */
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** All or nothing, whatever happens meanwhile. Rejects with the system's error. */
export async function replaceFile(file: string, contents: string | Buffer): Promise<void> {
  const temporary = `${file}.${process.pid}.rewrite`;
  try {
    const handle = await open(temporary, 'w', 0o600);
    try {
      await handle.writeFile(contents);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    const folder = await open(dirname(file), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
