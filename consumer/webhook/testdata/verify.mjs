// Verifies deliveries with the reference library of Standard Webhooks. The
// argument is the folder of npm's packages; standard input is a JSON array of
// {secret, headers, body}. Answers with an array of what is wrong with each, ""
// if it is accepted.
const [packages] = process.argv.slice(2);
const { Webhook } = await import(`${packages}/standardwebhooks/dist/index.js`);

let input = "";
for await (const chunk of process.stdin) input += chunk;

const verdicts = JSON.parse(input).map(({ secret, headers, body }) => {
	try {
		new Webhook(secret).verify(body, headers);
		return "";
	} catch (error) {
		return error.message;
	}
});
console.log(JSON.stringify(verdicts));
