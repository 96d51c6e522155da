package local

// queueSchema makes the tables of the queues.
const queueSchema = ``
