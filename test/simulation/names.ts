/** The log's own: its server, the prefix of its topics, and the partitions of each. */
export const BROKER = 'broker';
export const PREFIX = 'sim';
export const PARTITIONS = 2;
