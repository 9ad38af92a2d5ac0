//! The macro that turns the table of methods into types and their encoding.

/// Defines `Method` and the structs of its variants.
///
/// A method reads `id "name" Struct { _: type, field: type, .. }`, where types are those of the
/// specification and `_` is a reserved argument, sent as zero and ignored.
macro_rules! methods {
    ($(
        $class_id:literal {
            $(
                $(#[$meta:meta])*
                $method_id:literal $method_name:literal $name:ident $(<$lt:lifetime>)? {
                    $(_ : $reserved:ident,)*
                    $($(#[$field_meta:meta])* $field:ident : $kind:ident,)*
                }
            )*
        }
    )*) => {
        /// Any method of AMQP 0-9-1 or RabbitMQ's extensions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Method<'a> {
            $($(
                #[doc = concat!("`", $method_name, "`.")]
                $name($name $(<$lt>)?),
            )*)*
        }

        impl<'a> Method<'a> {
            /// Returns the id of the method's class.
            pub const fn class_id(&self) -> u16 {
                match self {
                    $($(Self::$name(_) => $class_id,)*)*
                }
            }

            /// Returns the id of the method in its class.
            pub const fn method_id(&self) -> u16 {
                match self {
                    $($(Self::$name(_) => $method_id,)*)*
                }
            }

            /// Returns the name of class and method, as `basic.publish`.
            pub const fn name(&self) -> &'static str {
                match self {
                    $($(Self::$name(_) => $method_name,)*)*
                }
            }

            fn decode_by_ids(
                class_id: u16,
                method_id: u16,
                arguments: &'a [u8],
            ) -> Result<Self, MethodError> {
                match (class_id, method_id) {
                    $($(($class_id, $method_id) => $name::decode(arguments).map(Self::$name),)*)*
                    _ => Err(MethodError::UnknownMethod { class_id, method_id }),
                }
            }

            /// Appends ids and arguments.
            #[inline]
            fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $($(Self::$name(arguments) => arguments.write(out),)*)*
                }
            }
        }

        #[cfg(test)]
        impl<'a> Method<'a> {
            /// Returns one of each method, with arguments drawn from `source`.
            fn one_of_each(source: &'a tests::Source) -> Vec<Self> {
                vec![$($($name { $($field: source.$kind(),)* }.into(),)*)*]
            }
        }

        $($(
            $(#[$meta])*
            ///
            /// # Spec
            ///
            #[doc = concat!(
                "`", $method_name, "`: class ", $class_id, ", method ", $method_id, "."
            )]
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            pub struct $name $(<$lt>)? {
                $(
                    $(#[$field_meta])*
                    #[doc = concat!("Argument `", stringify!($field), "` (", stringify!($kind), ").")]
                    pub $field: methods!(@type $kind),
                )*
            }

            impl<'a> Arguments<'a> for $name $(<$lt>)? {
                const CLASS_ID: u16 = $class_id;
                const METHOD_ID: u16 = $method_id;
                const NAME: &'static str = $method_name;

                #[inline]
                fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                    $(methods!(@skip $reserved reader);)*
                    let arguments = Self { $($field: reader.$kind()?,)* };
                    reader.finish()?;
                    Ok(arguments)
                }

                #[inline]
                fn write(&self, out: &mut Vec<u8>) {
                    let mut writer = Writer::new(out);
                    writer.long($class_id << 16 | $method_id);
                    $(writer.$reserved(Default::default());)*
                    $(writer.$kind(self.$field);)*
                }
            }

            impl<'a> From<$name $(<$lt>)?> for Method<'a> {
                #[inline]
                fn from(arguments: $name $(<$lt>)?) -> Self {
                    Self::$name(arguments)
                }
            }
        )*)*
    };
    (@type octet) => { u8 };
    (@type short) => { u16 };
    (@type long) => { u32 };
    (@type longlong) => { u64 };
    (@type bit) => { bool };
    (@type shortstr) => { &'a str };
    (@type longstr) => { &'a [u8] };
    (@type table) => { TableRef<'a> };
    // Reserved strings are skipped as bytes: whatever they hold is ignored.
    (@skip shortstr $reader:ident) => {
        let len = $reader.octet()?;
        $reader.slice(usize::from(len))?;
    };
    (@skip $kind:ident $reader:ident) => {
        $reader.$kind()?;
    };
}
