// Package webhook posts the messages of a queue to one URL, each a CloudEvents
// 1.0 event in structured JSON, signed as Standard Webhooks 1.0.0 say.
//
// # The request
//
// A POST of the message's body as it is, with the content type
// application/cloudevents+json and the headers
//
//	webhook-id         the event's id, the same however often it is sent
//	webhook-timestamp  when it was sent, in seconds of Unix time
//	webhook-signature  for each key "v1," and the base64 HMAC-SHA256 of
//	                   id, timestamp and body with full stops between them
//
// A receiver checks the signature, refuses an old timestamp, remembers ids, and
// answers 2xx soon. To change keys, sign with the old and the new one until it
// knows the new one.
//
// A body that is no JSON object with an id is a dead letter at once, without
// being sent; so is one whose id is not visible ASCII of at most 256 bytes
// without a full stop.
//
// # The answer
//
//	answer                                 what becomes of the message
//	2xx                                    done, whatever the body does
//	307, 308 to the same origin            sent there, three times at most
//	other 3xx                              fails
//	400, 413, 415, 422                     dead letter: the event is refused
//	410                                    dead letter, and so is every message
//	                                       from then on, unsent: see below
//	429, and 503 with Retry-After          comes again after that; until then
//	                                       nothing is sent
//	other 4xx, 5xx                         fails
//	none in time, no connection            fails
//	its address is refused                 fails
//
// What fails comes again with backoff by its receive count, and ends in the
// dead-letter queue by the queue's own rule.
//
// 410 disables the sink until it is made anew: it is logged once as an error,
// [Sink.Disabled] and a metric say so, and nothing is sent any more.
//
// Retry-After is seconds or a date, and counts from one second to
// [Options].MaxPause; a 429 without one means [Options].Pause. During a pause
// calls of [Sink.Handle] wait, as long as their context lasts, and so do their
// messages, without a receive being counted. What is on its way is not called
// back.
//
// Everything has a limit: see [Options]. Of an answer at most 64 KiB of header,
// and of body 64 KiB within one second are read.
//
// # Where requests go
//
// To addresses of the public internet only, unless [Options].AllowPrivate is
// set. Looked at is the address that a connection is about to be made to, after
// the name was resolved, so a name that changes its address gains nothing; IPv4
// addresses within IPv6 ones (mapped, NAT64 with its well-known prefix, 6to4)
// are looked at as such. Link-local addresses, with the metadata service of
// clouds, multicast, reserved and documentation ranges are refused in any case.
//
// Plain http is sent to private addresses only, and needs AllowPrivate. https is
// never left for http. Proxies named by the environment (HTTPS_PROXY) are not
// used: they would resolve the name themselves.
//
// # Secrets
//
// Logs and errors show scheme, host and port of the URL alone, since receivers
// put secrets in the path and the query. An answer is quoted in one short line,
// without the words of the query and long ones of the path, which it may repeat.
// User information in the URL is an error. A [Key] never shows its bytes.
package webhook
