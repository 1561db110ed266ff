import type { Migration } from '../migration.ts';

/**
 * Text is compared byte by byte (`COLLATE "C"`), which is the order of code points in which every store is walked.
 * Free fields are `json` and not `jsonb`, which would turn −0 into 0. `held` tables remember deletes; their views show
 * what is alive.
 */
export const agentsAndRlState: Migration = {
  number: 1,
  name: 'agents and RL state',
  sql: `
CREATE TABLE agents_held (
  id text COLLATE "C" PRIMARY KEY,
  type text COLLATE "C",
  active boolean,
  attributes json,
  version bigint NOT NULL CHECK (version BETWEEN 1 AND 9007199254740991),
  deleted boolean NOT NULL,
  CHECK (deleted OR (type IS NOT NULL AND active IS NOT NULL AND attributes IS NOT NULL))
) WITH (fillfactor = 85);
CREATE INDEX agents_type ON agents_held (type) WHERE NOT deleted;
CREATE INDEX agents_active ON agents_held (active) WHERE NOT deleted;
CREATE VIEW agents AS
  SELECT id, type, active, attributes, version FROM agents_held WHERE NOT deleted;

CREATE TABLE experiences_held (
  id text COLLATE "C" PRIMARY KEY,
  agent_id text COLLATE "C",
  episode bigint,
  step bigint,
  state text COLLATE "C",
  action bigint,
  reward float8,
  next_state text COLLATE "C",
  done boolean,
  at bigint,
  version bigint NOT NULL CHECK (version BETWEEN 1 AND 9007199254740991),
  deleted boolean NOT NULL,
  CHECK (deleted OR num_nulls(agent_id, episode, step, state, action, reward, next_state, done, at) = 0)
);
CREATE INDEX experiences_by_agent ON experiences_held (agent_id, id) WHERE NOT deleted;
CREATE VIEW experiences AS
  SELECT id, agent_id, episode, step, state, action, reward, next_state, done, at, version
  FROM experiences_held WHERE NOT deleted;

CREATE TABLE q_values_held (
  agent_id text COLLATE "C",
  state text COLLATE "C",
  action bigint,
  value float8,
  visits bigint,
  version bigint NOT NULL CHECK (version BETWEEN 1 AND 9007199254740991),
  deleted boolean NOT NULL,
  PRIMARY KEY (agent_id, state, action),
  CHECK (deleted OR (value IS NOT NULL AND visits IS NOT NULL))
) WITH (fillfactor = 85);
CREATE VIEW q_values AS
  SELECT agent_id, state, action, value, visits, version FROM q_values_held WHERE NOT deleted;

CREATE TABLE policies_held (
  agent_id text COLLATE "C",
  name text COLLATE "C",
  algorithm text COLLATE "C",
  environment text COLLATE "C",
  parameters json,
  actions json,
  revision bigint,
  version bigint NOT NULL CHECK (version BETWEEN 1 AND 9007199254740991),
  deleted boolean NOT NULL,
  PRIMARY KEY (agent_id, name),
  CHECK (deleted OR num_nulls(algorithm, parameters, actions, revision) = 0)
) WITH (fillfactor = 85);
CREATE VIEW policies AS
  SELECT agent_id, name, algorithm, environment, parameters, actions, revision, version
  FROM policies_held WHERE NOT deleted;
`,
};
