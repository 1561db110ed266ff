import { resolve } from 'node:path';
import { ChangeoverError } from '../../core/errors.ts';
import type { Connector } from '../connector.ts';
import { DictionaryClient } from './client.ts';
import { DICTIONARY_KINDS } from './dictionary-kinds.ts';
import { type DictionaryOptions, dictionaryOptions } from './options.ts';
import { dictionaryProbe } from './probe.ts';
import { lookAt } from './schema.ts';
import { dictionarySink } from './sink.ts';
import { dictionarySource } from './source.ts';
import { openUpkeep } from './upkeep.ts';

export const dictionaryConnector: Connector<typeof dictionaryOptions> = {
  name: 'dictionary',
  kinds: { legacy: DICTIONARY_KINDS, target: DICTIONARY_KINDS },
  options: dictionaryOptions,
  place: ({ file }) => resolve(file),
  async open(options: DictionaryOptions, context) {
    const foreign = context.kinds.find((kind) => !DICTIONARY_KINDS.some((held) => held === kind));
    if (foreign !== undefined) {
      throw new ChangeoverError('config', `A dictionary holds no ${foreign}.`, {
        hint: `It holds ${DICTIONARY_KINDS.join(' and ')}; give ${foreign} to another store.`,
      });
    }
    // Agents before their relationships, whatever the configuration's order.
    const kinds = DICTIONARY_KINDS.filter((kind) => context.kinds.includes(kind));
    const client = new DictionaryClient(options, { ...context, kinds });
    await lookAt(client.paths, { mayBeMissing: options.create || context.role === 'target' });
    return {
      name: context.name,
      prepare: () => client.prepare(),
      source: dictionarySource(client, kinds),
      sink: dictionarySink(client, kinds),
      ...(client.capture === undefined ? {} : { capture: client.capture }),
      probe: dictionaryProbe(client, { role: context.role, settings: options }),
      upkeep: openUpkeep(client, kinds),
      close: () => client.close(),
    };
  },
};
