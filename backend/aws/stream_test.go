package aws

import (
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

const (
	arn       = "arn:aws:dynamodb:eu-west-1:1:table/t/stream/2026"
	withARN   = `{"Table":{"TableStatus":"ACTIVE","LatestStreamArn":"` + arn + `"}}`
	firstPage = `{"StreamDescription":{"StreamStatus":"ENABLED","LastEvaluatedShardId":"shardId-2","Shards":[
		{"ShardId":"shardId-1","SequenceNumberRange":{"StartingSequenceNumber":"1","EndingSequenceNumber":"9"}},
		{"ShardId":"shardId-2","ParentShardId":"shardId-1","SequenceNumberRange":{"StartingSequenceNumber":"10"}}]}}`
	lastPage = `{"StreamDescription":{"StreamStatus":"DISABLED","Shards":[{"ShardId":"shardId-3"}]}}`
)

func TestS7ShardsPageByPage(t *testing.T) {
	t.Parallel()
	b, f := openFake(t, ok(withARN), ok(firstPage), ok(lastPage))
	stream := b.Stream("t")
	page, err := stream.Shards(t.Context(), "")
	must(t, err)
	wantSame(t, page, backend.ShardPage{
		StreamARN: arn,
		Shards:    []backend.Shard{{ID: "shardId-1"}, {ID: "shardId-2", Parent: "shardId-1"}},
		Last:      "shardId-2",
	})
	page, err = stream.Shards(t.Context(), page.Last)
	must(t, err)
	wantSame(t, page, backend.ShardPage{StreamARN: arn, Disabled: true, Shards: []backend.Shard{{ID: "shardId-3"}}})
	wantSame(t, f.last()["ExclusiveStartShardId"], any("shardId-2"))
	// The stream is looked up once for each listing.
	wantSame(t, f.ops(), []string{"DescribeTable", "DescribeStream", "DescribeStream"})
}

func TestS24StreamIsLookedUpForEachListing(t *testing.T) {
	t.Parallel()
	b, _ := openFake(t, ok(withARN), ok(lastPage),
		ok(`{"Table":{"LatestStreamArn":"`+arn+`-again"}}`), ok(lastPage), ok(`{"Table":{}}`))
	stream := b.Stream("t")
	for _, want := range []string{arn, arn + "-again"} {
		page, err := stream.Shards(t.Context(), "")
		must(t, err)
		wantSame(t, page.StreamARN, want)
	}
	_, err := stream.Shards(t.Context(), "")
	wantError(t, err, backend.KindNotFound, "the table has no stream")
}

func TestS1LastRecordsComeWithoutIterator(t *testing.T) {
	t.Parallel()
	b, f := openFake(t,
		ok(`{"NextShardIterator":"next","Records":[]}`),
		ok(`{"Records":[{"eventID":"e","eventName":"INSERT","dynamodb":{
			"ApproximateCreationDateTime":1795192820,"SequenceNumber":"100000000003218256368","SizeBytes":26,
			"Keys":{"PK":{"S":"p"},"SK":{"S":"s"}},
			"NewImage":{"PK":{"S":"p"},"SK":{"S":"s"},"a":{"S":"1"}}}},
			{"eventID":"f","eventName":"REMOVE","dynamodb":{"Keys":{"PK":{"S":"p"},"SK":{"S":"s"}}}}]}`))
	stream := b.Stream("t")
	page, err := stream.Records(t.Context(), "first", 7)
	must(t, err)
	wantSame(t, page, backend.RecordPage{Next: "next"})
	wantSame(t, f.last()["Limit"], any(7.0))

	page, err = stream.Records(t.Context(), page.Next, 7)
	must(t, err)
	if page.Next != "" || len(page.Records) != 2 {
		t.Fatalf("next %q, %d records", page.Next, len(page.Records))
	}
	r := page.Records[0]
	image, err := r.NewImage()
	must(t, err)
	if !backend.EqualItems(image, testItem) {
		t.Errorf("image %v", image)
	}
	r.NewImage = nil
	wantSame(t, r, backend.Record{
		EventID: "e", Event: backend.Insert, Key: backend.Key{PK: "p", SK: "s"},
		Sequence: "100000000003218256368", CreatedAt: time.Unix(1795192820, 0).UTC(), SizeBytes: 26,
	})
	if image, err := page.Records[1].NewImage(); image != nil || err != nil {
		t.Errorf("a removal has the image %v, error %v", image, err)
	}
}

func TestIteratorPositions(t *testing.T) {
	t.Parallel()
	b, f := openFake(t, ok(`{"ShardIterator":"it"}`))
	for at, want := range map[backend.Position]string{
		{}: "TRIM_HORIZON",
		{Type: backend.AtSequence, Sequence: "7"}:    "AT_SEQUENCE_NUMBER",
		{Type: backend.AfterSequence, Sequence: "7"}: "AFTER_SEQUENCE_NUMBER",
	} {
		it, err := b.Stream("t").Iterator(t.Context(), arn, "shard", at)
		must(t, err)
		wantSame(t, it, "it")
		body := map[string]any{"StreamArn": arn, "ShardId": "shard", "ShardIteratorType": want}
		if at.Sequence != "" {
			body["SequenceNumber"] = at.Sequence
		}
		wantSame(t, f.last(), body)
	}
}
