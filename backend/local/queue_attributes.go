package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/postroom/postroom/backend"
)

// Rules of an attribute's name. Source: SQS developer guide, message attributes.
const maxAttributeNameBytes = 256

var (
	// One or more words, separated by periods.
	attributeNamePattern = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	attributeNameOfAWS   = regexp.MustCompile(`(?i)^(aws|amazon)\.`)
)

// checkAttributes returns an error if SQS would refuse the attributes.
func checkAttributes(attributes map[string]string) error {
	if n := len(attributes); n > backend.MaxAttributes {
		return fmt.Errorf("the message has %d attributes, at most %d are allowed", n, backend.MaxAttributes)
	}
	for name, value := range attributes {
		if err := checkAttributeName(name); err != nil {
			return err
		}
		switch {
		case value == "":
			return fmt.Errorf("attribute %s has no value", name)
		case !validBody(value):
			return fmt.Errorf("attribute %s has characters that are not allowed", name)
		}
	}
	return nil
}

func checkAttributeName(name string) error {
	switch {
	case name == "":
		return errors.New("an attribute has no name")
	case len(name) > maxAttributeNameBytes:
		return fmt.Errorf("attribute name %.40q… has %d characters, at most %d are allowed", name, len(name), maxAttributeNameBytes)
	case !attributeNamePattern.MatchString(name):
		return fmt.Errorf("attribute name %q is not letters, digits, -, _ and single periods between them", name)
	case attributeNameOfAWS.MatchString(name):
		return fmt.Errorf("attribute name %q begins with %q, which is reserved for AWS", name, name[:strings.Index(name, ".")+1])
	}
	return nil
}

// encodeAttributes returns attributes as the file stores them.
func encodeAttributes(attributes map[string]string) (string, error) {
	if len(attributes) == 0 {
		return "", nil
	}
	data, err := json.Marshal(attributes)
	return string(data), err
}

func decodeAttributes(data string) (attributes map[string]string, err error) {
	if data == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(data), &attributes); err != nil {
		return nil, fmt.Errorf("attributes of a message: %w", err)
	}
	return attributes, nil
}
