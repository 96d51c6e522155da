// Runs fauxqs on the loopback interface; its own command line listens on every
// interface. Arguments: the folder of the packages, the port (0 for any free
// one), and the folder to keep queues in, without which they are in memory.
const [packages, port, data] = process.argv.slice(2);
const fauxqs = `${packages}/fauxqs/dist`;
const { buildApp } = await import(`${fauxqs}/app.js`);
const { SqsStore } = await import(`${fauxqs}/sqs/sqsStore.js`);
const { SnsStore } = await import(`${fauxqs}/sns/snsStore.js`);
const { S3Store } = await import(`${fauxqs}/s3/s3Store.js`);

// SQS takes U+10000 to U+10FFFF in a body, fauxqs does not: no emoji would get
// through. Its expression is changed where it stands.
const { INVALID_MESSAGE_BODY_CHAR } = await import(`${fauxqs}/sqs/sqsTypes.js`);
INVALID_MESSAGE_BODY_CHAR.compile("[^\\t\\n\\r\\x20-\\uD7FF\\uE000-\\uFFFD\\u{10000}-\\u{10FFFF}]", "u");

const stores = { sqsStore: new SqsStore(), snsStore: new SnsStore(), s3Store: new S3Store() };
if (data) await keep(stores.sqsStore, data);

const app = buildApp({ logger: { level: "error" }, stores });
console.log(`listening on ${await app.listen({ port: Number(port), host: "127.0.0.1" })}`);

// keep loads what the folder holds and has every change written there before it
// is answered, so that it outlives a process that is killed.
async function keep(store, folder) {
	const { PersistenceManager } = await import(`${fauxqs}/persistence.js`);
	const { SqsQueue } = await import(`${fauxqs}/sqs/sqsStore.js`);
	const files = new PersistenceManager(folder);
	files.db.exec("PRAGMA synchronous = NORMAL"); // a process dies, not the machine
	files.loadSqsAndSns(store, stores.snsStore);
	store.persistence = files;
	for (const queue of store.allQueues()) queue.persistence = files;

	// It would clear the count of receives of a message given back, which its
	// table does not allow: the message would be gone.
	const giveBack = files.db.prepare("UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?");
	files.updateMessageReady = (id) => giveBack.run(id);

	// It moves a message to the dead letters in two steps, and to die between
	// them would lose it.
	const { dequeue } = SqsQueue.prototype;
	SqsQueue.prototype.dequeue = function (...args) {
		let messages;
		files.transaction(() => { messages = dequeue.apply(this, args); });
		return messages;
	};
}
