//go:build unix

package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/aws"
)

// BenchmarkReader reads 200,000 records over HTTP through a Reader, and beside
// it with a bare loop over GetRecords of the SDK, in turn. It tells the
// processor time of a record, the server's included, and the ratio of the two:
// the medians of all rounds.
//
//	go test -run - -bench Reader -benchtime 9x ./stream
func BenchmarkReader(b *testing.B) {
	const total = 200_000
	server := serveRecords(b, total)
	var loops, readers []float64 // ns of a record
	for b.Loop() {
		before := processorTime(b)
		readBare(b, server.URL, total)
		between := processorTime(b)
		readWhole(b, server.URL, total)
		after := processorTime(b)
		loops = append(loops, float64(between-before)/total)
		readers = append(readers, float64(after-between)/total)
	}
	loop, reader := median(loops), median(readers)
	b.ReportMetric(0, "ns/op") // of both together: says nothing
	b.ReportMetric(loop, "cpu-ns/record-bare")
	b.ReportMetric(reader, "cpu-ns/record")
	b.ReportMetric(reader/loop, "ratio")
}

// serveRecords is a server of a stream of one shard, which has ended.
func serveRecords(b *testing.B, total int) *httptest.Server {
	b.Helper()
	b.Setenv("AWS_ACCESS_KEY_ID", "key")
	b.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	b.Setenv("AWS_REGION", "eu-west-1")
	const arn = "arn:aws:dynamodb:eu-west-1:000000000000:table/bench/stream/1"
	var pages [][]byte
	for first := 0; first < total; first += backend.MaxRecords {
		pages = append(pages, pageOf(b, first, min(backend.MaxRecords, total-first), first+backend.MaxRecords < total))
	}
	answers := map[string]string{
		"DescribeTable": `{"Table":{"LatestStreamArn":"` + arn + `"}}`,
		"DescribeStream": `{"StreamDescription":{"StreamArn":"` + arn + `","StreamStatus":"ENABLED","Shards":[` +
			`{"ShardId":"shard","SequenceNumberRange":{"StartingSequenceNumber":"1","EndingSequenceNumber":"9"}}]}}`,
		"GetShardIterator": `{"ShardIterator":"0"}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if op != "GetRecords" {
			fmt.Fprint(w, answers[op])
			return
		}
		var in struct{ ShardIterator string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		n, err := strconv.Atoi(in.ShardIterator)
		if err != nil || n >= len(pages) {
			http.Error(w, "no such iterator", http.StatusBadRequest)
			return
		}
		_, _ = w.Write(pages[n])
	}))
	b.Cleanup(server.Close)
	return server
}

// pageOf is the answer to a GetRecords: n records of messages of about 500 bytes.
func pageOf(b *testing.B, first, n int, more bool) []byte {
	b.Helper()
	type object = map[string]any
	s := func(text string) object { return object{"S": text} }
	var records []object
	for i := first; i < first+n; i++ {
		keys := object{"PK": s(fmt.Sprintf("%036d", i%1000)), "SK": s(fmt.Sprintf("MSG#%064d", i))}
		image := object{"user_uuid": s(fmt.Sprintf("%036d", i%100)), "message": s(strings.Repeat("a word ", 20))}
		for name, key := range keys {
			image[name] = key
		}
		records = append(records, object{
			"eventID": fmt.Sprintf("%032x", i), "eventName": "INSERT", "dynamodb": object{
				"ApproximateCreationDateTime": 1.7e9, "Keys": keys, "NewImage": image, "SizeBytes": 500,
				"SequenceNumber": fmt.Sprintf("1%020d", i), "StreamViewType": "NEW_IMAGE",
			},
		})
	}
	page := object{"Records": records}
	if more {
		page["NextShardIterator"] = strconv.Itoa(first/backend.MaxRecords + 1)
	}
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(page); err != nil {
		b.Fatal(err)
	}
	return body.Bytes()
}

// readBare reads the shard to its end as simply as can be.
func readBare(b *testing.B, url string, total int) {
	b.Helper()
	client := dynamodbstreams.New(dynamodbstreams.Options{
		BaseEndpoint: &url, Region: "eu-west-1",
		Credentials: awssdk.CredentialsProviderFunc(func(context.Context) (awssdk.Credentials, error) {
			return awssdk.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"}, nil
		}),
	})
	seen := 0
	for iterator := awssdk.String("0"); iterator != nil; {
		page, err := client.GetRecords(b.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: iterator})
		if err != nil {
			b.Fatal(err)
		}
		seen += len(page.Records)
		iterator = page.NextShardIterator
	}
	if seen != total {
		b.Fatalf("%d records, want %d", seen, total)
	}
}

// readWhole reads it through a reader, until all is acknowledged and saved.
func readWhole(b *testing.B, url string, total int) {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	store, err := aws.Open(ctx, aws.Options{EndpointURL: url})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	seen := 0
	err = newReader(store.Stream("bench"), newTable(), Handler(func(_ context.Context, records []*Record) error {
		for _, r := range records {
			r.Ack()
		}
		if seen += len(records); seen == total {
			stop()
		}
		return nil
	}), config{}).Run(ctx)
	if err != nil || seen != total {
		b.Fatalf("%d records, want %d: %v", seen, total, err)
	}
}

// processorTime is what this process has used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
