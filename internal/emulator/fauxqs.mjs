// Runs fauxqs on a free port of the loopback interface. Its own command line
// listens on every interface.
const [directory] = process.argv.slice(1);
const { buildApp } = await import(`${directory}/fauxqs/dist/app.js`);
const app = buildApp({ logger: { level: "error" } });
console.log(`listening on ${await app.listen({ port: 0, host: "127.0.0.1" })}`);
