// Checks every relative link, image and anchor in the project's Markdown files: the target must
// exist in the repository, and an anchor must be a heading of its target. External addresses are
// not visited, so that the check gives the same answer everywhere.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import GithubSlugger from 'github-slugger';
import { markdown, markdownFiles, root } from './lib.mjs';

const files = markdownFiles();
const parsed = new Map();
function parse(path) {
  if (parsed.has(path)) return parsed.get(path);
  const slugger = new GithubSlugger();
  const page = { links: [], anchors: new Set() };
  const tokens = markdown.parse(readFileSync(path, 'utf8'), {});
  tokens.forEach((token, i) => {
    if (token.type === 'heading_open') {
      const parts = tokens[i + 1].children.filter(
        (t) => t.type === 'text' || t.type === 'code_inline',
      );
      page.anchors.add(slugger.slug(parts.map((t) => t.content).join('')));
    }
    const line = token.map ? token.map[0] + 1 : 0;
    for (const child of token.children ?? []) {
      const target = child.attrGet('href') ?? child.attrGet('src');
      if (target !== null) page.links.push({ target, line });
    }
  });
  parsed.set(path, page);
  return page;
}

const problems = [];
let count = 0;
for (const file of files) {
  const path = join(root, file);
  for (const { target, line } of parse(path).links) {
    if (/^[a-z][a-z+.-]*:/i.test(target)) continue;
    count++;
    const [name, anchor] = target.split('#').map(decodeURIComponent);
    const destination = name === '' ? path : resolve(dirname(path), name);
    const where = `${file}:${line}: ${target}`;
    if (relative(root, destination).startsWith('..'))
      problems.push(`${where} leaves the repository`);
    else if (!existsSync(destination)) problems.push(`${where} does not exist`);
    else if (anchor && statSync(destination).isFile() && destination.endsWith('.md')) {
      if (!parse(destination).anchors.has(anchor)) problems.push(`${where} names no heading`);
    }
  }
}
for (const problem of problems) console.error(`${problem}.`);
if (files.length === 0) throw new Error('No Markdown files found.');
if (problems.length > 0) process.exit(1);
console.log(`Links: ${count} relative links in ${files.length} Markdown files lead somewhere.`);
