package aws

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

const oneKey = `{"PK":{"S":"p"},"SK":{"S":"2"}}`

func TestP11UnprocessedComesBack(t *testing.T) {
	t.Parallel()
	b, _ := openFake(t,
		ok(`{"Responses":{"t":[{"PK":{"S":"p"},"SK":{"S":"1"}}]},
			"UnprocessedKeys":{"t":{"Keys":[`+oneKey+`]}},"ConsumedCapacity":[{"TableName":"t","CapacityUnits":1.5}]}`),
		ok(`{"UnprocessedItems":{"t":[{"PutRequest":{"Item":`+oneKey+`}},{"DeleteRequest":{"Key":`+oneKey+`}}]},
			"ConsumedCapacity":[{"TableName":"t","CapacityUnits":3}]}`))
	table, left := b.Table("t"), backend.Key{PK: "p", SK: "2"}
	items, keys, units, err := table.BatchGet(t.Context(), []backend.Key{{PK: "p", SK: "1"}, left})
	must(t, err)
	if len(items) != 1 || backend.KeyOf(items[0]).SK != "1" {
		t.Errorf("items %v", items)
	}
	wantSame(t, keys, []backend.Key{left})
	wantSame(t, units, backend.Units{Read: 1.5})

	writes, units, err := table.BatchWrite(t.Context(), []backend.Write{{Put: keyItem(left)}, {Delete: left}})
	must(t, err)
	if len(writes) != 2 || backend.KeyOf(writes[0].Put) != left || writes[1].Put != nil || writes[1].Delete != left {
		t.Errorf("unprocessed %v", writes)
	}
	wantSame(t, units, backend.Units{Write: 3})
}

func TestTransactUnits(t *testing.T) {
	t.Parallel()
	b, f := openFake(t,
		ok(`{"ConsumedCapacity":[{"TableName":"t","CapacityUnits":6,"WriteCapacityUnits":6}]}`),
		ok(`{"ConsumedCapacity":[{"TableName":"t","CapacityUnits":2,"ReadCapacityUnits":2}]}`),
		ok(`{"ConsumedCapacity":[{"TableName":"t","CapacityUnits":4}]}`))
	for _, want := range []backend.Units{{Write: 6}, {Read: 2}, {Write: 4}} {
		units, err := b.Table("t").Transact(t.Context(), "token", []backend.Action{{Put: testItem}})
		must(t, err)
		wantSame(t, units, want)
		wantSame(t, f.last()["ClientRequestToken"], any("token"))
	}
	_, err := b.Table("t").Transact(t.Context(), "", []backend.Action{{Put: testItem}})
	wantError(t, err, backend.KindInvalid, "token")
}

func TestQ1EachEntryHasItsFate(t *testing.T) {
	t.Parallel()
	failed := `"Failed":[{"Id":"1","Code":"InternalError","SenderFault":false,"Message":"again"},
		{"Id":"2","Code":"InvalidMessageContents","SenderFault":true,"Message":"never"}]`
	b, f := openFake(t, ok(`{"QueueUrl":"http://q/1/q"}`),
		ok(`{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"wrong"}],`+failed+`}`),
		ok(`{"Successful":[{"Id":"0"}],`+failed+`}`), ok(`{"Successful":[{"Id":"0"}],`+failed+`}`))
	q := b.Queue("q")
	want := []backend.EntryError{
		{Index: 1, Code: "InternalError", Message: "again"},
		{Index: 2, Code: "InvalidMessageContents", SenderFault: true, Message: "never"},
	}
	got, err := q.Send(t.Context(), []backend.SendEntry{{Body: "a"}, {Body: "b"}, {Body: "c"}})
	must(t, err)
	wantSame(t, got, want)
	got, err = q.Delete(t.Context(), []string{"a", "b", "c"})
	must(t, err)
	wantSame(t, got, want)
	got, err = q.ChangeVisibility(t.Context(), []backend.VisibilityChange{
		{Receipt: "a"}, {Receipt: "b", Timeout: 1500 * time.Millisecond}, {Receipt: "c", Timeout: time.Hour},
	})
	must(t, err)
	wantSame(t, got, want)
	var timeouts []any
	for _, e := range f.last()["Entries"].([]any) {
		timeouts = append(timeouts, e.(map[string]any)["VisibilityTimeout"])
	}
	wantSame(t, timeouts, []any{0.0, 2.0, 3600.0})
	wantSame(t, f.ops(), []string{"GetQueueUrl", "SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"})
}

// TestF16CodeOfAnEntryDecides: a server may say that the sender is at fault where a
// key is missing, access is denied, or it is too busy. The code says what is wrong.
func TestF16CodeOfAnEntryDecides(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"InvalidMessageContents": true, "InvalidParameterValue": true, "InvalidParameterValueException": true, "ReceiptHandleIsInvalid": true,
		"AWS.SimpleQueueService.MessageNotInflight": true,

		"KmsThrottled": false, "KmsAccessDenied": false, "KmsDisabled": false, "KMS.NotFoundException": false,
		"KmsInvalidState": false, "KmsOptInRequired": false, "AccessDenied": false, "ThrottlingException": false,
		"RequestThrottled": false, "OverLimit": false, "InternalError": false, "ServiceUnavailable": false,
		"ExpiredToken": false, "SomethingNew": false, "": false,
	} {
		for _, flag := range []bool{true, false} {
			failed := ok(fmt.Sprintf(`{"Failed":[{"Id":"0","Code":%q,"SenderFault":%t,"Message":%q}]}`, code, flag, strings.Repeat("no ", 10_000)))
			b, _ := openFake(t, ok(`{"QueueUrl":"http://q/1/q"}`), failed)
			q := b.Queue("q")
			sent, sendErr := q.Send(t.Context(), []backend.SendEntry{{Body: "a"}})
			deleted, deleteErr := q.Delete(t.Context(), []string{"a"})
			hidden, hideErr := q.ChangeVisibility(t.Context(), []backend.VisibilityChange{{Receipt: "a"}})
			must(t, errors.Join(sendErr, deleteErr, hideErr))
			for _, errs := range [][]backend.EntryError{sent, deleted, hidden} {
				if len(errs) != 1 || errs[0].SenderFault != want || errs[0].Code != code || len(errs[0].Message) > 2<<10 {
					t.Errorf("%s, %t: %+v, want the sender's fault to be %t", code, flag, errs, want)
				}
			}
		}
	}
}

// TestF16EntriesThatAreNotNamed: an entry that the answer leaves out has failed, and an
// answer for one that was not sent says nothing.
func TestF16EntriesThatAreNotNamed(t *testing.T) {
	t.Parallel()
	b, _ := openFake(t, ok(`{"QueueUrl":"http://q/1/q"}`), ok(`{"Successful":[{"Id":"1"}]}`), ok(`{}`),
		ok(`{"Failed":[{"Id":"2","Code":"InternalError"}]}`), ok(`{"Successful":[{"Id":"-1"}]}`), ok(`{"Successful":[{"Id":"x"}]}`))
	q := b.Queue("q")
	for _, want := range [][]int{{0}, {0, 1}} {
		failed, err := q.Delete(t.Context(), []string{"a", "b"})
		must(t, err)
		var got []int
		for _, f := range failed {
			if got = append(got, f.Index); f.SenderFault {
				t.Errorf("%+v", f)
			}
		}
		wantSame(t, got, want)
	}
	for range 3 {
		_, err := q.Delete(t.Context(), []string{"a", "b"})
		wantError(t, err, backend.KindUnavailable, "Delete q", "was not sent")
	}
}

func TestQ15QueueMadeAnewIsFound(t *testing.T) {
	t.Parallel()
	gone := failure(400, "QueueDoesNotExist", "gone")
	b, f := openFake(t, ok(`{"QueueUrl":"http://q/1/old"}`), gone, ok(`{"QueueUrl":"http://q/1/new"}`), ok(`{}`))
	q := b.Queue("q.fifo")
	_, err := q.Receive(t.Context(), 10, 0, 30*time.Second)
	wantError(t, err, backend.KindNotFound, "Receive q.fifo")
	_, err = q.Receive(t.Context(), 10, 0, 30*time.Second)
	must(t, err)
	wantSame(t, f.last()["QueueUrl"], any("http://q/1/new"))
}

func TestReceiveIsRepeatedWithItsOwnID(t *testing.T) {
	t.Parallel()
	b, f := openFake(t, ok(`{"QueueUrl":"http://q/1/q.fifo"}`), lost, ok(`{}`))
	q := b.Queue("q.fifo")
	for range 2 {
		_, err := q.Receive(t.Context(), 10, time.Second, 30*time.Second)
		must(t, err)
	}
	ids := map[any]int{}
	for _, c := range f.calls[1:] {
		ids[c.body["ReceiveRequestAttemptId"]]++
	}
	if len(f.calls) != 4 || len(ids) != 2 || ids[f.calls[1].body["ReceiveRequestAttemptId"]] != 2 {
		t.Errorf("%d calls with the ids %v", len(f.calls), ids)
	}
}
