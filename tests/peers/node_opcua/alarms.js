// Events and alarms of the server: below Objects/Alarmanlage, told by itself and by the Server object.
//
// Every 100 ms an event with the next number. The tank fills, is acknowledged and empties in turn; the
// pressure is too high all the time, and nobody acknowledges it.
"use strict";
const { DataType } = require("node-opcua-variant");

function addAlarms(space, ns) {
    space.installAlarmsAndConditionsService();
    const plant = ns.addObject({
        organizedBy: "ObjectsFolder", browseName: "Alarmanlage", nodeId: "s=Alarmanlage", eventNotifier: 1,
        notifierOf: space.rootFolder.objects.server,
    });

    const counted = ns.addEventType({ browseName: "ZählEventType", nodeId: "i=7000", subtypeOf: "BaseEventType" });
    ns.addVariable({
        propertyOf: counted, browseName: "Nummer", dataType: "UInt32", modellingRule: "Mandatory",
        value: { dataType: DataType.UInt32, value: 0 },
    });

    const tank = limited(ns, plant, "Füllstand", 50);
    limited(ns, plant, "Kesseldruck", 99);
    let number = 0;
    setInterval(() => {
        number += 1;
        plant.raiseEvent(counted, {
            nummer: { dataType: DataType.UInt32, value: number },
            message: { dataType: DataType.LocalizedText, value: { text: `Teil ${number}` } },
            severity: { dataType: DataType.UInt16, value: 100 + 100 * (number % 9) },
        });
        if (number % 4 === 0) {
            tank.step(number / 4);
        }
    }, 100).unref();
}

// A level with an exclusive limit alarm at 80; its steps are: full, acknowledged, empty.
function limited(ns, plant, browseName, value) {
    const level = ns.addVariable({
        componentOf: plant, browseName, nodeId: `s=${browseName}`, dataType: "Double", eventSourceOf: plant,
        value: { dataType: DataType.Double, value: 50 },
    });
    const alarm = ns.instantiateExclusiveLimitAlarm("ExclusiveLevelAlarmType", {
        componentOf: plant, browseName: `${browseName}Alarm`, nodeId: `s=${browseName}Alarm`, conditionSource: level,
        inputNode: level, highLimit: 80, highHighLimit: 95, conditionName: browseName,
    });
    const set = (to) => level.setValueFromSource({ dataType: DataType.Double, value: to });
    set(value);
    const steps = [
        () => set(90),
        () => alarm.acknowledgeAndAutoConfirmBranch(alarm.currentBranch(), "gesehen"),
        () => set(50),
    ];
    return { step: (count) => steps[count % steps.length]() };
}

module.exports = { addAlarms };
