package main

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/postroom/postroom/backend/aws"
)

// names says what a table or a queue may be called. The control table and the
// dead-letter queue, whose names are longer, must be within AWS's limits too.
type names struct {
	thing   string
	allowed *regexp.Regexp
	rule    string
}

var (
	tableNames = names{"table", regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,247}$`), "3 to 247 letters, digits, dots, hyphens and underscores"}
	queueNames = names{"queue", regexp.MustCompile(`^([a-zA-Z0-9_-]{1,71}\.fifo|[a-zA-Z0-9_-]{1,76})$`), "1 to 76 letters, digits, hyphens and underscores, .fifo at the end included"}
)

// checkName reports what is not the name of a table or queue. An ARN or a URL names the
// region and the account too, and these are set elsewhere.
func checkName(n names, name string) error {
	if n.allowed.MatchString(name) {
		return nil
	}
	if arn := strings.SplitN(name, ":", 6); arn[0] == "arn" && len(arn) == 6 {
		return whole(n, "an ARN", strings.TrimPrefix(arn[5], "table/"), arn[3])
	}
	if scheme, rest, ok := strings.Cut(name, "://"); ok && strings.HasPrefix(scheme, "http") {
		region := ""
		if labels := strings.Split(rest, "."); len(labels) > 2 && labels[0] == "sqs" {
			region = labels[1]
		}
		return whole(n, "a URL", path.Base(rest), region)
	}
	return fmt.Errorf("%.100q is not the name of a %s: %s", name, n.thing, n.rule)
}

// whole says which part of an ARN or a URL is the name.
func whole(n names, what, name, region string) error {
	if !n.allowed.MatchString(name) {
		return fmt.Errorf("it is %s, and must be the name of a %s: %s", what, n.thing, n.rule)
	}
	also := ""
	if region != "" {
		also = fmt.Sprintf(" (its region, %s, is that of --region or AWS_REGION)", region)
	}
	return fmt.Errorf("it is %s, and must be a name: give %s%s", what, name, also)
}

// explainOpen makes wrong usage of a setting that cannot be right, and names the flag
// or the variable that it came from.
func (g *global) explainOpen(err error) error {
	wrong, ok := errors.AsType[*aws.ConfigError](err)
	if !ok {
		return err
	}
	setting := wrong.Setting
	switch setting {
	case aws.RegionOption:
		setting = g.setting("region")
	case aws.EndpointURLOption:
		setting = g.setting("endpoint-url")
	}
	return usagef("%s: %w", setting, wrong.Err)
}
