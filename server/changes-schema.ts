import type { FastifySchema } from 'fastify';
import { ref } from './openapi-schemas.ts';
import { PROBLEM_MEDIA_TYPE } from './problem.ts';
import { EVENT_BATCH_TYPE, EVENT_TYPE, JSON_TYPE } from './request-items.ts';

const RETRY_AFTER = {
  'Retry-After': { type: 'integer', description: 'seconds to wait before trying again' },
};

const results = (description: string, headers?: object) => ({
  description,
  ...(headers === undefined ? {} : { headers }),
  content: { [JSON_TYPE]: { schema: ref('Results') } },
});

export const problem = (description: string, headers?: object) => ({
  description,
  ...(headers === undefined ? {} : { headers }),
  content: { [PROBLEM_MEDIA_TYPE]: { schema: ref('Problem') } },
});

/** The document's words on `POST /v1/changes`. What a change must be is checked one by one, not here. */
export const CHANGES_SCHEMA: FastifySchema = {
  summary: 'Write changes',
  description:
    'Takes one change or a batch, as our own JSON or as CloudEvents 1.0 (structured, batched, or binary with ce-* headers). Every change is the whole state of one entity, or its delete. Changes of one key take effect in their order. Give each change an id (an event has its source and id): then sending it again, after an answer that was lost, does nothing twice.',
  security: [{ token: [] }, {}],
  body: {
    content: {
      [JSON_TYPE]: { schema: ref('Changes') },
      [EVENT_TYPE]: { schema: ref('Event') },
      [EVENT_BATCH_TYPE]: { schema: ref('Events') },
    },
  },
  response: {
    202: results('Every change is durable: accepted now, or repeated.'),
    207: results(
      'The results differ. Send again what failed, after the time in Retry-After, where there is one.',
      RETRY_AFTER,
    ),
    422: results('Every change was rejected; the reasons name the fields.'),
    400: problem('The body is no JSON in UTF-8, or has none of the shapes that are taken.'),
    401: problem('The token is missing or wrong.', {
      'WWW-Authenticate': { type: 'string' },
    }),
    403: problem('There is no token, and the request came from a page in a browser.'),
    408: problem('The request took too long to arrive.'),
    413: problem('The body has too many bytes or changes.'),
    415: problem('The media type, its charset or the content encoding is not taken.'),
    429: problem('More changes come than are taken.', RETRY_AFTER),
    500: {
      description:
        'A defect of the server: a problem, or results where the changes themselves were understood.',
      content: {
        [JSON_TYPE]: { schema: ref('Results') },
        [PROBLEM_MEDIA_TYPE]: { schema: ref('Problem') },
      },
    },
    503: {
      description:
        'Nothing is known to be durable: the outbox is full, the store or the log is away (results), or too much is under way (a problem). Send it again after the time in Retry-After.',
      headers: RETRY_AFTER,
      content: {
        [JSON_TYPE]: { schema: ref('Results') },
        [PROBLEM_MEDIA_TYPE]: { schema: ref('Problem') },
      },
    },
  },
};
