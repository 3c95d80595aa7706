"""Methods of a simulated server: an object with what it does when it is called."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from asyncua import ua
from asyncua.server.address_space import AttributeValue

from edge_agent.core.nodes import Method, Spot
from edge_agent.sim.opcua_server import Kind, Space, give_value, made, standard

Act = Callable[..., Awaitable[ua.CallMethodResult]]
"""What a method does: it gets the variants of its arguments."""

_METHOD = Kind(ua.NodeClass.Method)
_OBJECT = Kind(ua.NodeClass.Object, definition="BaseObjectType")
_PROPERTY = Kind(ua.NodeClass.Variable, "HasProperty", "PropertyType")


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument or a result: its name, its built-in type, and whether it is a list."""

    name: str
    type: str
    array: bool = False


@dataclass(frozen=True, slots=True)
class SimulatedMethod:
    """The method `s=<object>.<name>` of the object `s=<object>`; `allowed`: whether clients may call it."""

    object: str
    name: str
    act: Act
    inputs: Sequence[Argument] = ()
    outputs: Sequence[Argument] = ()
    allowed: bool = True


def hang(space: Space, index: int, methods: Sequence[SimulatedMethod]) -> None:
    """Put methods and their objects into a namespace, below the Objects folder."""
    for method in methods:
        on = _id(method.object, index)
        if on not in space:
            above = made(on, ua.QualifiedName(method.object, index), _OBJECT)
            space.add(above, _OBJECT, standard("ObjectsFolder"))
        id_ = _id(f"{method.object}.{method.name}", index)
        node = made(id_, ua.QualifiedName(method.name, index), _METHOD)
        for each in (ua.AttributeIds.Executable, ua.AttributeIds.UserExecutable):
            able = ua.Variant(method.allowed or each is ua.AttributeIds.Executable, ua.VariantType.Boolean)
            node.attributes[each] = AttributeValue(ua.DataValue(able))
        node.call = _called(method.act)
        space.add(node, _METHOD, on)
        for name, arguments in (("InputArguments", method.inputs), ("OutputArguments", method.outputs)):
            if arguments:
                _describe(space, node.nodeid, f"{method.object}.{method.name}.{name}", name, arguments)


def hang_at(space: Space, uris: Sequence[str], methods: Sequence[Method]) -> None:
    """Put the methods of a profile where it says they are: they take no argument, and go well."""
    for method in methods:
        on, id_ = (_at(spot, uris) for spot in (method.object, method.method))
        if on not in space:
            above = made(on, ua.QualifiedName(method.object.id, on.NamespaceIndex), _OBJECT)
            space.add(above, _OBJECT, standard("ObjectsFolder"))
        node = made(id_, ua.QualifiedName(method.name, id_.NamespaceIndex), _METHOD)
        for each in (ua.AttributeIds.Executable, ua.AttributeIds.UserExecutable):
            able = ua.Variant(Value=True, VariantType=ua.VariantType.Boolean)
            node.attributes[each] = AttributeValue(ua.DataValue(able))
        node.call = _called(_nothing)
        space.add(node, _METHOD, on)


async def _nothing(*_arguments: ua.Variant) -> ua.CallMethodResult:
    return done()


def _at(spot: Spot, uris: Sequence[str]) -> ua.NodeId:
    return ua.NodeId.from_string(f"ns={uris.index(spot.namespace) if spot.namespace else 0};{spot.id}")


def _describe(space: Space, method: ua.NodeId, id_: str, name: str, arguments: Sequence[Argument]) -> None:
    node = made(_id(id_, int(method.NamespaceIndex)), ua.QualifiedName(name), _PROPERTY)
    give_value(node, "Argument", rank=1).value = ua.DataValue(
        ua.Variant(
            [
                ua.Argument(Name=each.name, DataType=standard(each.type), ValueRank=1 if each.array else -1)
                for each in arguments
            ],
            ua.VariantType.ExtensionObject,
        )
    )
    space.add(node, _PROPERTY, method)


def _id(text: str, index: int) -> ua.NodeId:
    return ua.NodeId(ua.String(text), ua.Int16(index))


def _called(act: Act) -> Callable[..., Awaitable[ua.CallMethodResult]]:
    async def call(_object: ua.NodeId, *arguments: ua.Variant) -> ua.CallMethodResult:
        return await act(*arguments)

    return call


def done(*outputs: ua.Variant) -> ua.CallMethodResult:
    """A call that went well."""
    return ua.CallMethodResult(OutputArguments=list(outputs))


def refused(code: int, *arguments: int) -> ua.CallMethodResult:
    """A call that was refused, with a status code for each argument if need be."""
    return ua.CallMethodResult(
        StatusCode=ua.StatusCode(ua.UInt32(code)),
        InputArgumentResults=[ua.StatusCode(ua.UInt32(each)) for each in arguments],
    )
