package local

// receipt names one receive of one message. The count of receives makes each receipt
// unique, and the queue's nonce excludes receipts of other queues and files.
type receipt struct {
	nonce    int64
	id       int64
	receives int
}

func (r receipt) String() string { return opaque(r.nonce, r.id, r.receives) }

// parseReceipt reads a receipt of the queue with the given nonce.
func parseReceipt(s string, nonce int64) (r receipt, ok bool) {
	ok = parseOpaque(s, &r.nonce, &r.id, &r.receives)
	return r, ok && r.nonce == nonce && r.String() == s
}
