package local

import "github.com/postroom/postroom/backend"

type stream struct {
	backend.Stream

	b     *Backend
	table string
}
