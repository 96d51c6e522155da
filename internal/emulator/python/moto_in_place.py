"""Spares moto what takes the longer the more it holds, and two things that it does again
for each request or attribute.

What is answered stays moto's: its own functions run, on the part of a table that they
may need. They must run one at a time.
"""

import copy
from types import SimpleNamespace

from moto import backends
from moto.core.serialize import ResponseSerializer
from moto.dynamodb import models
from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import Table
from moto.sqs.models import Queue

write = DynamoDBBackend.transact_write_items
query = Table.query
pick = ResponseSerializer.get_value
serialize = ResponseSerializer._serialize_type_structure
services = list(backends.list_of_moto_modules())


def spare():
    """Put what is here in moto's place."""
    # A transaction copies its tables, and lets the copies take their place if it fails.
    models.copy = SimpleNamespace(deepcopy=lambda v: v if isinstance(v, Table) else copy.deepcopy(v))
    DynamoDBBackend.transact_write_items = write_or_put_back
    # A query sorts all items of its table, and looks at each.
    Table.query = query_part
    # A page of a scan sorts them as well, and works out their keys for each comparison.
    Table.all_items = all_items
    # A queue counts its messages whenever moto looks at any attribute of it.
    for count in "messages", "messages_delayed", "messages_not_visible":
        count = f"approximate_number_of_{count}"
        setattr(Queue, count, property(lambda self, count=getattr(Queue, count).fget: Later(count, self)))
    # For each type that an attribute may have, up to twelve names are tried.
    ResponseSerializer.get_value = pick_attribute
    ResponseSerializer._serialize_type_structure = serialize_attribute
    # Each request lists moto's folder.
    backends.list_of_moto_modules = lambda: services


def write_or_put_back(backend, actions):
    """Write all of a transaction; if that fails put back the items that it touches, and
    forget the records of it."""
    items, lengths = [], []
    for operation in (o for action in actions for o in action.values()):
        table = backend.tables.get(operation.get("TableName"))
        if table is None:
            continue  # moto refuses it
        if table.stream_shard is not None:
            lengths.append((table.stream_shard.items, len(table.stream_shard.items)))
        try:
            key = backend.get_keys_value(table, operation.get("Key") or operation.get("Item") or {})
            items.append((table, key, copy.deepcopy(table.get_item(*key))))
        except MockValidationException:
            continue  # as it does here
    try:
        return write(backend, actions)
    except BaseException:
        for table, key, item in items:
            put_back(table, *key, item)
        for records, length in lengths:
            del records[length:]
        raise


def put_back(table, partition, sort, item):
    """Let a table have an item, or none, as before."""
    items, key = (table.items[partition], sort) if table.has_range_key else (table.items, partition)
    if item is None:
        items.pop(key, None)
    else:
        items[key] = item
    vars(table).pop("by_value", None)


def query_part(table, key, comparison, values, limit, start, forward, projections, index=None, *others, **named):
    """Query the items that have the key, as if the table had no others."""
    if index is None:
        items = {key: table.items[key]} if key in table.items else {}
    else:
        name, value = named["hash_key_conditions"][0]
        items = having(table, name, value)
    part = object.__new__(Table)  # moto would keep what it has constructed itself
    vars(part).update(vars(table), items=items)
    return query(part, key, comparison, values, limit, start, forward, projections, index, *others, **named)


def all_items(table):
    """Return a table's items in the order of their keys."""
    if not table.has_range_key:
        return sorted(table.items.values(), key=lambda item: item.hash_key.cast_value)
    items = [item for items in table.items.values() for item in items.values()]
    return sorted(items, key=lambda item: (item.hash_key.cast_value, item.range_key.cast_value))


def having(table, name, value):
    """Return a table's items with a value of an attribute. They are looked for once
    until the next change, each of which leaves a record in the table's stream."""
    changes = len(table.stream_shard.items) if table.stream_shard else object()
    known, found = vars(table).setdefault("by_value", {}).get(name, (None, None))
    if known != changes:
        found = {}
        for partition, items in table.items.items():
            for sort, item in items.items() if table.has_range_key else [(None, items)]:
                of_value = found.setdefault(text(item.attrs[name]), {}) if name in item.attrs else {}
                if table.has_range_key:
                    of_value.setdefault(partition, {})[sort] = item
                else:
                    of_value[partition] = item
        table.by_value[name] = changes, found
    return found.get(text(value), {})


def text(value):
    return value.type, str(value.cast_value)


def serialize_attribute(serializer, serialized, value, shape, key):
    if type(value) is dict and shape.name == "AttributeValue":
        types = tuple(value)
        if types not in of_types:
            of_types[types] = copy.copy(shape)
            vars(of_types[types])["members"] = {t: shape.members[t] for t in types}
        shape = of_types[types]
    serialize(serializer, serialized, value, shape, key)


of_types = {}  # the shape of an attribute, with only these types


def pick_attribute(serializer, value, key, shape):
    if type(value) is dict and shape.parent.name == "AttributeValue":
        return value.get(key)
    return pick(serializer, value, key, shape)


class Later:
    """A number that is counted when it is written down."""

    def __init__(self, count, queue):
        self.count, self.queue = count, queue

    def __str__(self):
        return str(self.count(self.queue))
