// Runs fauxqs on a free port of the loopback interface. Its own command line
// listens on every interface.
const [directory] = process.argv.slice(1);
const { buildApp } = await import(`${directory}/fauxqs/dist/app.js`);

// SQS takes U+10000 to U+10FFFF in a body, fauxqs does not: no emoji would get
// through. Its expression is changed where it stands.
const { INVALID_MESSAGE_BODY_CHAR } = await import(`${directory}/fauxqs/dist/sqs/sqsTypes.js`);
INVALID_MESSAGE_BODY_CHAR.compile("[^\\t\\n\\r\\x20-\\uD7FF\\uE000-\\uFFFD\\u{10000}-\\u{10FFFF}]", "u");

const app = buildApp({ logger: { level: "error" } });
console.log(`listening on ${await app.listen({ port: 0, host: "127.0.0.1" })}`);
