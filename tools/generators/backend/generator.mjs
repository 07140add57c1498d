import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The template is a package that type-checks and passes the table; these names are replaced. */
const NAME = 'my-device';
const CLASS_NAME = 'MyDevice';

const TEMPLATE = new URL('./template/', import.meta.url).pathname;

/**
 * `npx nx g backend --name <device>`: makes the package packages/backend-<device> with its page in
 * docs, and lists the page. Nothing else is changed.
 *
 * @param {import('nx/src/generators/tree').Tree} tree the workspace
 * @param {{ name: string }} options
 */
export async function backendGenerator(tree, { name }) {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    throw new Error(`"${name}" is no name for a package: use lower case, as in my-device.`);
  }
  const folder = `packages/backend-${name}`;
  const page = `docs/backend-${name}.md`;
  for (const path of [folder, page]) {
    if (tree.exists(path)) throw new Error(`${path} is there already; choose another name.`);
  }
  for (const file of readdirSync(TEMPLATE, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const path = join(file.parentPath, file.name);
    const text = replaced(readFileSync(path, 'utf8'), name);
    // Markdown has this ending so that its links are not looked for where the template lies.
    const target = path.slice(TEMPLATE.length).replace(/\.template$/, '');
    tree.write(target === 'docs.md' ? page : `${folder}/${target}`, text);
  }
  listPage(tree, name);
  return () => {
    console.log(`
Next, as docs/adding-a-backend.md says:
  npm install                                          links the package into the workspace
  cd ${folder} && npx vitest run      the table of cases; it passes now
  npx nx build @vq4dit/backend-${name}
  npx vq4dit --backend @vq4dit/backend-${name} doctor`);
  };
}

function replaced(text, name) {
  const className = name.replace(/(^|-)([a-z0-9])/g, (_, _dash, letter) => letter.toUpperCase());
  return text.replaceAll(NAME, name).replaceAll(CLASS_NAME, className);
}

/** One line in the index of the documentation, after the other backends'. */
function listPage(tree, name) {
  const index = 'docs/README.md';
  const lines = tree.read(index, 'utf8').split('\n');
  const last = lines.findLastIndex((line) => line.startsWith('| [backend-'));
  const line = `| [backend-${name}.md](backend-${name}.md) | the backend for ${name}: what to install, limits, how it works |`;
  lines.splice(last + 1, 0, line);
  tree.write(index, lines.join('\n'));
}
