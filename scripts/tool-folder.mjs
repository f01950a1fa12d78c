// A folder that is all the PATH of a trial: nothing of this machine is in reach but what is named.
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { env } from 'node:process';

/** The first file of that name on the PATH, undefined where there is none. */
export function findTool(name) {
  return (env.PATH ?? '')
    .split(':')
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file));
}

/** Makes `folder`, with links to those of the tools that are here. */
export function makeToolFolder(folder, tools) {
  mkdirSync(folder);
  for (const tool of tools) {
    const place = findTool(tool);
    if (place !== undefined) symlinkSync(place, join(folder, tool));
  }
  return folder;
}
