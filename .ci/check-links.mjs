/**
 * Every relative link in README.md, CHANGELOG.md and docs/ leads to a file or folder of the repository, and every #anchor to a heading. Links to
 * other sites are not followed: a check must not depend on them.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

const root = normalize(join(import.meta.dirname, '..'));
const pages = ['README.md', 'CHANGELOG.md', ...markdownUnder('docs')].filter((page) => existsSync(join(root, page)));

function markdownUnder(folder) {
  if (!existsSync(join(root, folder))) return [];
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

/** Fenced blocks and code spans hold examples, not links. */
function withoutCode(markdown) {
  return markdown.replaceAll(/^ {0,3}(```+|~~~+)[\s\S]*?^ {0,3}\1`*\s*$/gm, '').replaceAll(/(`+)[^`\n](?:.*?[^`\n])?\1(?!`)/g, '');
}

/** `[text](target "title")`, `![image](target)` and `[label]: target`. */
function linksOf(markdown) {
  const inline = withoutCode(markdown).matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+["'(][^)]*)?\)/g);
  const references = withoutCode(markdown).matchAll(/^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)>?/gm);
  return [...inline, ...references].map(([, target]) => target);
}

/** As GitHub makes them: lower case, punctuation dropped, spaces to hyphens, repeats numbered. */
function anchorsOf(markdown) {
  const anchors = new Set();
  for (const [, heading] of markdown.replaceAll(/^ {0,3}(```+|~~~+)[\s\S]*?^ {0,3}\1`*\s*$/gm, '').matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = text.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(/\s/g, '-');
    let anchor = slug;
    for (let repeat = 1; anchors.has(anchor); repeat++) anchor = `${slug}-${repeat}`;
    anchors.add(anchor);
  }
  for (const [, id] of markdown.matchAll(/<a\s+(?:id|name)="([^"]+)"/g)) anchors.add(id);
  return anchors;
}

let links = 0;
const broken = [];
for (const page of pages) {
  for (const link of linksOf(readFileSync(join(root, page), 'utf8'))) {
    if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(link)) continue;
    links++;
    const [path, anchor] = link.split('#', 2).map(decodeURIComponent);
    const target = path === '' ? join(root, page) : normalize(join(root, path.startsWith('/') ? '' : dirname(page), path));
    if (relative(root, target).startsWith('..')) broken.push(`${page}: ${link} leads out of the repository`);
    else if (!existsSync(target)) broken.push(`${page}: ${link} does not exist`);
    else if (anchor && /^L\d+(-L\d+)?$/.test(anchor) && statSync(target).isFile()) continue;
    else if (anchor && !(statSync(target).isFile() && anchorsOf(readFileSync(target, 'utf8')).has(anchor))) {
      broken.push(`${page}: ${link} names a heading that is not there`);
    }
  }
}
for (const line of broken) console.error(line);
console.log(`links: ${links} in ${pages.length} pages, ${broken.length} broken`);
process.exitCode = broken.length > 0 || pages.length === 0 ? 1 : 0;
