import pg from 'pg';

/** Two messages that pg can send; its types lack them. */
interface CopyConnection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/**
 * Runs a COPY … FROM STDIN. All of the data go in one message when the server asks for them: they are in memory anyway, and
 * it reads them as they come.
 */
export function copyIn(connection: pg.ClientBase, text: string, data: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const query = new pg.Query(text, (error: Error | undefined | null) =>
      error === undefined || error === null ? resolve() : reject(error),
    );
    // What pg calls on a query that it has under way; its own fails the COPY.
    const handleCopyInResponse = (copying: CopyConnection): void => {
      copying.sendCopyFromChunk(data);
      copying.endCopyFrom();
    };
    connection.query(Object.assign(query, { handleCopyInResponse }));
  });
}
