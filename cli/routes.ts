import { ChangeoverError } from '../core/errors.ts';
import { KINDS, type Kind } from '../schemas/kinds.ts';
import type { Config } from './config.ts';
import { CONNECTORS } from './connectors.ts';

/** Which kind is read from which legacy store, and which target stores follow it. */
export interface Routes {
  /** Kind → name of the legacy store; a kind that no configured store holds is not moved. */
  readonly origins: ReadonlyMap<Kind, string>;
  /** Name of the target store → its kinds. */
  readonly followers: ReadonlyMap<string, readonly Kind[]>;
}

export function routesOf(config: Config): Routes {
  requirePlacesApart(config);
  const legacy = CONNECTORS.filter((connector) => config.legacy[connector.name] !== undefined);
  const target = CONNECTORS.filter((connector) => config.target[connector.name] !== undefined);
  const origins = new Map<Kind, string>();
  for (const kind of KINDS) {
    const able = legacy.filter((connector) => connector.kinds.legacy.includes(kind)).map(({ name }) => name);
    const origin = chooseOrigin(kind, able, config.origins[kind]);
    if (origin !== undefined) origins.set(kind, origin);
  }
  const followers = target.map(
    (connector) => [connector.name, config.followers[connector.name] ?? connector.kinds.target] as const,
  );
  return { origins, followers: new Map(followers) };
}

/** A target that is the legacy store would be overwritten with itself, and validation would find nothing to compare. */
function requirePlacesApart(config: Config): void {
  for (const { name, place } of CONNECTORS) {
    const [legacy, target] = [config.legacy[name], config.target[name]];
    if (place === undefined || legacy === undefined || target === undefined) continue;
    if (place(legacy) !== place(target)) continue;
    throw new ChangeoverError('config', `legacy.${name} and target.${name} are the same: ${place(target)}`, {
      hint: 'Give the target a place of its own: another server or database, or other labels, keys or another file.',
    });
  }
}

function chooseOrigin(kind: Kind, able: readonly string[], named: string | undefined): string | undefined {
  if (named === 'none') return undefined;
  if (named === undefined) {
    if (able.length > 1) {
      throw new ChangeoverError(
        'config',
        `origins.${kind}: ${able.join(' and ')} could both be the origin of ${kind}`,
        {
          hint: `A kind has one origin: set origins.${kind} to ${able.join(' or ')}, or to none to leave it where it is.`,
        },
      );
    }
    return able[0];
  }
  if (!able.includes(named)) {
    throw new ChangeoverError('config', `origins.${kind}: there is no section legacy.${named}`);
  }
  return named;
}

/** The kinds that were asked for, or all that have an origin; asking for one without is an error. */
export function chosenKinds(routes: Routes, asked: readonly Kind[] | undefined): readonly Kind[] {
  for (const kind of asked ?? []) {
    if (!routes.origins.has(kind)) {
      throw new ChangeoverError('usage', `No configured legacy store is the origin of ${kind}`, {
        hint: 'See the sections legacy and origins of the configuration.',
      });
    }
  }
  const kinds = KINDS.filter((kind) => routes.origins.has(kind) && (asked?.includes(kind) ?? true));
  if (kinds.length > 0) return kinds;
  throw new ChangeoverError('config', 'No legacy store is configured, so there is nothing to move', {
    hint: 'Add a section legacy to the configuration; changeover.example.yaml shows one.',
  });
}

/** The legacy stores that are the origin of a kind, or those of them that were asked for. */
export function chosenOrigins(routes: Routes, asked: readonly string[] | undefined): readonly string[] {
  const known = [...new Set(routes.origins.values())];
  // As we call them ourselves.
  const names = asked?.map((name) => name.replace(/^legacy\./, ''));
  const unknown = names?.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new ChangeoverError(
      'usage',
      `No kind has the legacy store ${unknown} as its origin; origins are ${known.join(', ') || 'none'}`,
    );
  }
  if (known.length > 0) return known.filter((name) => names?.includes(name) ?? true);
  throw new ChangeoverError('config', 'No legacy store is configured, so there is nothing to capture', {
    hint: 'Add a section legacy to the configuration; changeover.example.yaml shows one.',
  });
}

/** The kinds whose origin is that legacy store. */
export function kindsOfOrigin(routes: Routes, name: string): readonly Kind[] {
  return KINDS.filter((kind) => routes.origins.get(kind) === name);
}

/** A target store's section in the configuration, also where it is called as everything that is printed calls it: `target.milvus`. */
export function sectionOf(target: string): string {
  return target.replace(/^target\./, '');
}

/** The target stores that were asked for, or all that are configured. */
export function chosenTargets(routes: Routes, asked: readonly string[] | undefined): readonly string[] {
  const known = [...routes.followers.keys()];
  const names = asked?.map(sectionOf);
  const unknown = names?.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new ChangeoverError(
      'usage',
      `There is no target store ${unknown}; configured are ${known.join(', ') || 'none'}`,
    );
  }
  if (known.length > 0) return names ?? known;
  throw new ChangeoverError('config', 'No target store is configured', {
    hint: 'Add a section target to the configuration; changeover.example.yaml shows one.',
  });
}
