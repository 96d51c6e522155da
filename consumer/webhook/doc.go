// Package webhook posts the messages of a queue to one URL, each a CloudEvents 1.0
// event in structured JSON, signed according to Standard Webhooks 1.0.0.
//
// # The request
//
// A POST of the message's body, unchanged, with the content type
// application/cloudevents+json and the headers
//
//	webhook-id         the event's id, the same however often it is sent
//	webhook-timestamp  the time of sending, in seconds of Unix time
//	webhook-signature  for each key "v1," and the base64 HMAC-SHA256 of
//	                   id, timestamp and body, joined by full stops
//
// A receiver checks the signature, refuses an old timestamp, remembers ids, and
// answers 2xx soon. An event that an operator has replayed comes with its id, and with the
// name of the replay in its attribute replay: a receiver that wants it again remembers
// both. To change keys, sign with the old and the new one until the receiver knows the
// new one.
//
// A body that is not a JSON object with an id is dead-lettered at once, without being
// sent; so is one whose id is not 1 to 256 bytes of visible ASCII without a full stop.
//
// # The answer
//
//	answer                                 consequence for the message
//	2xx                                    done, whatever the answer's body does
//	307, 308 to the same origin            sent there, through at most three redirects
//	other 3xx                              fails
//	400, 413, 415, 422                     dead-lettered: the event is refused
//	410                                    dead-lettered, and so is every message
//	                                       from then on, unsent: see below
//	429, and 503 with Retry-After          comes again after that time; until then
//	                                       nothing is sent
//	other 4xx, 5xx                         fails
//	none in time, no connection            fails
//	none, since its address is refused     fails
//
// A message that fails comes again with backoff by its receive count, and ends in the
// dead-letter queue by the queue's own rule.
//
// 410 disables the sink for the rest of its life: it is logged once as an error,
// [Sink.Disabled] and a metric show it, and nothing is sent any more.
//
// Retry-After is seconds or a date, and counts as at least one second and at most one
// hour; a 429 without it means ten seconds. During a pause calls of [Sink.Handle] wait
// as long as their context lasts, and so do their messages, without using up receive
// counts. Requests under way go on.
//
// A delivery must be complete within [Options].Timeout, redirects included; dialling,
// with resolving the name, and the TLS handshake may take five seconds each. Of an
// answer at most 64 KiB of header, and 64 KiB of body within one second, are read.
//
// # Addresses
//
// Requests go to addresses of the public internet only, unless [Options].AllowPrivate
// is set. The check is made for the address that a connection is about to be made to,
// after the name was resolved, so a name that changes its address cannot evade it; IPv4
// addresses within IPv6 ones (mapped, NAT64 with its well-known prefix, 6to4) are
// checked as IPv4. Link-local addresses, which include the metadata service of clouds,
// multicast, reserved and documentation ranges are always refused.
//
// Plain http is sent to private addresses only, and needs AllowPrivate. A redirect
// never leads from https to http. Proxies named by the environment (HTTPS_PROXY) are
// not used: they would resolve the name themselves.
//
// # Secrets
//
// Logs and errors show only scheme, host and port of the URL, since receivers put
// secrets in the path and the query. An answer is quoted in one short line, without the
// words of the query and long words of the path, which it may repeat. User information
// in the URL is an error. A [Key] never shows its bytes.
package webhook
