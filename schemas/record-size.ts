/** What a record costs in the log beside its key and value, generously: its own header and its share of the batch's. */
export const RECORD_OVERHEAD_BYTES = 128;
