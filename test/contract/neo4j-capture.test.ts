import { parseKey } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { capturedGraph } from '../connectors/neo4j-capture-support.ts';
import { captureContract } from './capture.ts';

const KINDS: readonly Kind[] = ['agent', 'relationship', 'embedding'];
const HOUR_US = 3_600_000_000;

for (const mode of ['writer'] as const) {
  captureContract(`Neo4j (${mode})`, {
    kinds: KINDS,
    concurrentClients: true,
    claimExpires: true,
    async place(outbox = {}) {
      const place = capturedGraph(mode, outbox);
      const { graph } = place;
      const { agent, memory } = graph.labels;
      return {
        open: () => place.open(),
        // The server's clock cannot be set here; a version from the future is what a clock that was set back leaves.
        async setClockBack(kind, key) {
          const session = graph.driver.session({ database: graph.options().database });
          try {
            await session.executeWrite((transaction) => transaction.run(ahead(kind), planted(kind, key)), {
              metadata: { changeover: 'follower' },
            });
          } finally {
            await session.close();
          }
        },
        async rollBack(write) {
          const session = graph.driver.session({ database: graph.options().database });
          try {
            const transaction = session.beginTransaction();
            await transaction.run(
              write.kind === 'relationship'
                ? `CREATE (:${agent} {id: $source})-[:KNOWS {strength: 1}]->(:${agent} {id: $target})`
                : `CREATE (:${write.kind === 'agent' ? agent : memory} {id: $id})`,
              planted(write.kind, write.key),
            );
            await transaction.rollback();
          } finally {
            await session.close();
          }
        },
        remove: () => place.remove(),
      };

      function ahead(kind: Kind): string {
        if (kind === 'relationship') {
          return `MATCH (:${agent} {id: $source})-[r:KNOWS]->(:${agent} {id: $target})
            SET r._version = r._version + $ahead`;
        }
        return `MATCH (n:${kind === 'agent' ? agent : memory} {id: $id}) SET n._version = n._version + $ahead`;
      }
    },
  });
}

function planted(kind: Kind, key: string): object {
  const ends = kind === 'relationship' ? parseKey(kind, key) : { id: key };
  return { ...ends, ahead: BigInt(HOUR_US) };
}
