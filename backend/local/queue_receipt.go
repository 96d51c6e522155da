package local

import (
	"encoding/base64"
	"encoding/binary"
)

// receipt names one receive of one message. The count of receives makes each receipt
// unique, and the queue's nonce excludes receipts of other queues and files.
type receipt struct {
	nonce    int64
	id       int64
	receives int
}

func (r receipt) String() string {
	b := binary.BigEndian.AppendUint64(nil, uint64(r.nonce))
	b = binary.AppendUvarint(b, uint64(r.id))
	b = binary.AppendUvarint(b, uint64(r.receives))
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseReceipt reads a receipt of the queue with the given nonce.
func parseReceipt(s string, nonce int64) (r receipt, ok bool) {
	const nonceBytes = 8
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) <= nonceBytes {
		return receipt{}, false
	}
	r.nonce = int64(binary.BigEndian.Uint64(b))
	b = b[nonceBytes:]
	id, n := binary.Uvarint(b)
	if n <= 0 {
		return receipt{}, false
	}
	receives, m := binary.Uvarint(b[n:])
	if m <= 0 || n+m != len(b) {
		return receipt{}, false
	}
	r.id, r.receives = int64(id), int(receives)
	return r, r.nonce == nonce
}
