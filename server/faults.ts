import type { z } from 'zod';
import type { JsonFault } from './strict-json.ts';

type Path = readonly PropertyKey[];

const MOST_FAULTS_NAMED = 5;

/** In words, everything that is wrong with an item, each fault with the field that it is about. */
export function faultsInWords(issues: readonly z.core.$ZodIssue[], field = ''): string {
  const texts = issues.flatMap((issue) => issueTexts(issue, field));
  const more = texts.length - MOST_FAULTS_NAMED;
  return [...texts.slice(0, MOST_FAULTS_NAMED), ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}

function issueTexts(issue: z.core.$ZodIssue, field: string): readonly string[] {
  const where = fieldName(issue.path, field);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${fieldName([...issue.path, key], field)}: there is no such field`);
  }
  if (issue.code === 'invalid_union') {
    // Every alternative has its own reason; the words of the nearest one would be a guess.
    return [`${where}: is of none of the types that it can have`];
  }
  return [`${where === '' ? 'the change' : where}: ${issue.message}`];
}

export function jsonFaultText({ path, reason }: JsonFault): string {
  const where = fieldName(path);
  return where === '' ? reason : `${where}: ${reason}`;
}

const MAX_NAME_CHARACTERS = 100;

/** `entity.attributes.age`, as a path in code; a name that somebody chose can be of any length. */
export function fieldName(path: Path, start = ''): string {
  let text = start;
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += `${text === '' ? '' : '.'}${String(part).slice(0, MAX_NAME_CHARACTERS)}`;
  }
  return text;
}
